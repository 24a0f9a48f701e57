// Entry points are called as they are imported: `sluice`, `sluice/client`, … as package.json exports them.
import { Converter, ReflectionKind } from 'typedoc'
import { ENTRIES } from './typedoc.config.mjs'

const names = new Map([...ENTRIES].map(([name, source]) => [source.replace('../lib/', '').replace('.ts', ''), name]))

export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_, reflection) => {
    if (!reflection.kindOf(ReflectionKind.Module)) return
    const name = names.get(reflection.name) ?? names.get(`${reflection.name}/index`)
    if (name !== undefined) reflection.name = name
  })
}
