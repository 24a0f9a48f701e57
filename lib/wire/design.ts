// The colours of all pages that are served: the live page, that of the HTTP API, and what is around GraphiQL. Each text on what is behind it has the contrast that WCAG AA
// asks for, as test/browser computes.

const LIGHT = {
  page: '#f6f7f9',
  card: '#fff',
  border: '#cfd6de',
  text: '#1f2328',
  quiet: '#56606b',
  line: '#8b95a1',
  accent: '#4f46e5',
  'on-accent': '#fff',
  good: '#17733a',
  bad: '#b42318',
  warn: '#8a5200',
  track: '#e7eaee',
  external: '#0b7a71',
} as const

/** The same names. */
const DARK = {
  page: '#0d1117',
  card: '#171c24',
  border: '#39424e',
  text: '#f0f3f6',
  quiet: '#a4aebb',
  line: '#717b88',
  accent: '#8f89ff',
  'on-accent': '#10121a',
  good: '#5fd08a',
  bad: '#ff8f80',
  warn: '#f0c95a',
  track: '#2a313b',
  external: '#4cc7bb',
} as const satisfies Record<keyof typeof LIGHT, string>

const variables = (colors: Readonly<Record<string, string>>): string =>
  Object.entries(colors)
    .map(([name, color]) => `--${name}: ${color};`)
    .join(' ')

/** As CSS: light, or dark where that is preferred. */
export const COLORS = /* @__PURE__ */ (() => `:root { color-scheme: light dark; ${variables(LIGHT)} }
@media (prefers-color-scheme: dark) { :root { ${variables(DARK)} } }
`)()

/** For GraphiQL, which has names of its own, and a switch between light and dark. */
export const GRAPHIQL_COLORS = /* @__PURE__ */ (() => {
  const rule = (scheme: string, { accent, bad, good, warn, page, text }: Readonly<Record<keyof typeof LIGHT, string>>): string => {
    const own = { primary: accent, secondary: accent, tertiary: accent, info: accent, success: good, warning: warn, error: bad, neutral: text, base: page }
    const names = Object.entries(own).map(([name, color]) => `--color-${name}: ${hsl(color)};`)
    return `${['.graphiql-container', '.CodeMirror-info', '.CodeMirror-lint-tooltip'].map((box) => `${scheme} ${box}`).join(', ')} { ${names.join(' ')} }`
  }
  return `${rule('body', LIGHT)}
@media (prefers-color-scheme: dark) { ${rule('body:not(.graphiql-light)', DARK)} }
${rule('body.graphiql-dark', DARK)}
`
})()

/** `#4f46e5` → `243, 75%, 59%` */
function hsl(color: string): string {
  const hex = color.length === 4 ? color.replace(/\w/g, '$&$&') : color
  const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255) as [number, number, number]
  const [least, most] = [Math.min(r, g, b), Math.max(r, g, b)]
  const [span, light] = [most - least, (most + least) / 2]
  const turn = span === 0 ? 0 : most === r ? ((g - b) / span + 6) % 6 : most === g ? (b - r) / span + 2 : (r - g) / span + 4
  const full = span === 0 ? 0 : span / (1 - Math.abs(2 * light - 1))
  return `${Math.round(turn * 60)}, ${Math.round(full * 100)}%, ${Math.round(light * 100)}%`
}
