// The reference: every public name of every entry point that package.json exports, from its docstrings.
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const docs = resolve(import.meta.dirname)
const own = JSON.parse(readFileSync(join(docs, '../package.json'), 'utf8'))

/** By the name that an entry is imported by, such as `sluice/client`: its source. */
export const ENTRIES = new Map(
  Object.entries(own.exports).flatMap(([path, { types } = {}]) =>
    types === undefined ? [] : [[path.replace('.', own.name), types.replace('./dist/', '../lib/').replace('.d.ts', '.ts')]],
  ),
)

export default {
  entryPoints: [...ENTRIES.values()].map((source) => join(docs, source)),
  plugin: ['typedoc-plugin-markdown', join(docs, 'typedoc-names.mjs')],
  tsconfig: join(docs, 'tsconfig.json'),
  out: join(docs, 'api'),
  readme: 'none',
  name: 'API',
  // A page for each name.
  router: 'member',
  entryFileName: 'index.md',
  hidePageHeader: true,
  disableSources: true,
  excludePrivate: true,
  excludeProtected: true,
  excludeInternal: true,
  excludeExternals: true,
  skipErrorChecking: true,
  useHTMLEncodedBrackets: true,
  sanitizeComments: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  classPropertiesFormat: 'table',
  typeAliasPropertiesFormat: 'table',
  tableColumnSettings: { hideSources: true, hideModifiers: true, hideInherited: true, hideOverrides: true },
  validation: false,
  logLevel: 'Error',
}
