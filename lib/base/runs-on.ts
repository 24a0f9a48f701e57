/** What this runs in, where it is one of those that have modules of Node: Bun and Deno say that they are Node, too. */
export const runsOn: 'node' | 'bun' | 'deno' | undefined = (() => {
  const { versions } = (globalThis as { process?: { versions?: Record<string, string> } }).process ?? {}
  return versions?.['bun'] ? 'bun' : versions?.['deno'] ? 'deno' : versions?.['node'] ? 'node' : undefined
})()
