import { join, resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'

const ROOT = resolve(import.meta.dirname, '..')

/** The library as it stands in lib/, with what plugins change of it: for benches that lay it beside itself without something. @returns its entry */
export async function bundle(outdir: string, plugins: Plugin[]): Promise<string> {
  await build({
    entryPoints: [join(ROOT, 'lib/index.ts')],
    outdir,
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    external: ['node:*'],
    define: { SLUICE_VERSION: '"bench"' },
    plugins,
    logLevel: 'error',
  })
  return join(outdir, 'index.js')
}
