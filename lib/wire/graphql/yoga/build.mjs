// Takes graphql-yoga into the package, with all it needs but graphql itself: a schema must be of the one graphql that executes it, and
// what yoga needs today is at the mercy of the day of the installation. Its newest parts refuse the Node that this package promises.
import { realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const require = createRequire(import.meta.url)

/** What is put in the place of a package. */
const ours = new Map([
  ['@whatwg-node/fetch', join(here, 'fetch.mjs')],
  ['@fastify/busboy', join(here, 'no-multipart.mjs')],
])

/**
 * A plugin of esbuild: packages stay outside, as with `packages: 'external'`, apart from yoga's.
 * @type {import('esbuild').Plugin}
 */
export const yogaInside = {
  name: 'yoga-inside',
  setup({ onResolve, resolve }) {
    // Importers are named by their true paths, wherever node_modules links to.
    const packages = realpathSync('node_modules') + sep
    const yoga = dirname(require.resolve('graphql-yoga/package.json'))
    onResolve({ filter: /^[^./]/ }, async ({ path, importer, kind, pluginData }) => {
      if (pluginData === yogaInside || kind === 'entry-point') return
      const isOfYoga = path === 'graphql-yoga' || importer.startsWith(packages) || importer.startsWith(here)
      if (!isOfYoga || path.startsWith('node:') || path === 'graphql') return { path, external: true, sideEffects: false }
      if (ours.has(path)) return { path: ours.get(path), sideEffects: false }
      // Ours stand for packages of yoga's, and take theirs from where those do.
      const resolveDir = importer.startsWith(here) ? dirname(require.resolve('@whatwg-node/fetch', { paths: [yoga] })) : dirname(importer)
      return resolve(path, { kind, resolveDir, pluginData: yogaInside })
    })
  },
}
