/** Figures as bars in a picture (SVG) that is read on a light page and on a dark one. */

export interface Bar {
  readonly name: string
  readonly perSecond: number
}

const rowHeight = 28
const namesWidth = 180
const barsWidth = 420
const valuesWidth = 90

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

export const chartOf = (title: string, bars: ReadonlyArray<Bar>): string => {
  const most = Math.max(1, ...bars.map(({ perSecond }) => perSecond))
  const rows = bars.map(({ name, perSecond }, index) => {
    const y = 40 + index * rowHeight
    const width = Math.max(1, Math.round((perSecond / most) * barsWidth))
    const middle = y + 14
    return [
      `<text x="${namesWidth - 8}" y="${middle}" text-anchor="end">${escaped(name)}</text>`,
      `<rect x="${namesWidth}" y="${y}" width="${width}" height="${rowHeight - 8}" class="${name.includes("broker") ? "ours" : "theirs"}"/>`,
      `<text x="${namesWidth + width + 6}" y="${middle}">${Math.round(perSecond).toLocaleString("en")}</text>`,
    ].join("")
  })
  const [width, height] = [namesWidth + barsWidth + valuesWidth, 48 + bars.length * rowHeight]
  const style = [
    "text{font:13px sans-serif;fill:#333}.title{font-weight:bold}.ours{fill:#2a6fdb}.theirs{fill:#9aa5b1}",
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.ours{fill:#6ea8ff}.theirs{fill:#66707c}}",
  ].join("")
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img"><title>${escaped(title)}</title>`
  return `${head}<style>${style}</style><text x="${namesWidth}" y="24" class="title">${escaped(title)}</text>\n${rows.join("\n")}\n</svg>\n`
}
