/** The order of the test files: one that keeps a core busy for long begins first, else it is what all others wait for in the end. */
import { BaseSequencer, type TestSpecification } from "vitest/node"

const long = "simulate.test.ts"

export class LongFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification) => moduleId.endsWith(long)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}
