// Builds dist/: JavaScript file by file, as in lib/, so that what a room imports when it opens is found beside it.
//   node build.mjs          everything, with declarations
//   node build.mjs --quick  JavaScript only: enough to run
import { execFileSync } from 'node:child_process'
import { chmodSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { buildGraphiQL } from './lib/graphql/graphiql/build.mjs'

const quick = process.argv.includes('--quick')
const sources = readdirSync('lib', { recursive: true })
  .map(String)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => join('lib', file))

if (!quick) rmSync('dist', { recursive: true, force: true })
await build({ entryPoints: sources, outdir: 'dist', format: 'esm', platform: 'neutral', target: 'es2022', sourcemap: false, logLevel: 'warning' })
chmodSync('dist/cli/main.js', 0o755)
await buildGraphiQL('dist/graphql/graphiql')
if (!quick) {
  const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'))
  execFileSync(process.execPath, [join(typescript, 'bin/tsc'), '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
}
