/** What a process prints, line by line: one read of a pipe may hold half a line, or two. */
export const linesOf = (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader()
  let read = ""
  return async (): Promise<string> => {
    while (!read.includes("\n")) {
      const { done, value } = await reader.read()
      if (done) throw new Error(`The stream ended with ${JSON.stringify(read)} where a line was expected`)
      read += value
    }
    const end = read.indexOf("\n")
    const line = read.slice(0, end)
    read = read.slice(end + 1)
    return line
  }
}
