import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { say, show } from '../base/errors.js'
import { packedFiles } from '../config/npm.js'
import { moduleOf } from '../config/package-module.js'
import { type Offer, offersOf, placeOf, readPackage } from './hub-offers.js'

/** By which packages of executors are found. */
const KEYWORD = 'sluice-executor'
/** What npm runs when a package is installed, and sluice does not. */
const SCRIPTS = ['preinstall', 'install', 'postinstall']

interface Checked {
  /** What those who install it would trip over. */
  readonly wrong: readonly string[]
  /** What would serve them. */
  readonly advice: readonly string[]
  readonly offers: readonly Offer[]
}

/**
 * What is to be said of a package before it is published.
 * @throws ConfigError where there is no package
 */
export async function checked(folder: string): Promise<Checked> {
  const found = await readPackage(folder)
  const { manifest } = found
  const [wrong, advice]: [string[], string[]] = [[], []]
  const { name, version, description, license, keywords, scripts, dependencies, peerDependencies, sluice, types } = manifest
  if (typeof name !== 'string' || !/^(@[a-z\d][a-z\d._-]*\/)?[a-z\d][a-z\d._-]*$/.test(name)) wrong.push(`name is ${show(name)}, which npm does not take`)
  if (typeof version !== 'string' || !/^\d+\.\d+\.\d+/.test(version)) wrong.push(`version is ${show(version)}. Write three numbers, such as 1.0.0`)
  if (manifest.private === true) wrong.push('private is true: npm publishes no such package. Take it out')
  if (has(dependencies, 'sluice'))
    wrong.push('sluice is in dependencies: a copy of its own has classes that no Flow knows. Move it to peerDependencies, and to devDependencies for the tests')
  else if (!has(peerDependencies, 'sluice')) wrong.push('sluice is not in peerDependencies. Say there with which versions it works')
  for (const script of SCRIPTS)
    if (has(scripts, script))
      wrong.push(`scripts.${script} does not run where sluice installs the package. Do that in open() of the executor, or before publishing`)
  const image = (sluice as { image?: unknown } | undefined)?.image
  if (image !== undefined && (typeof image !== 'string' || image === ''))
    wrong.push(`sluice.image is ${show(image)}. Name an image, such as registry.example/ocr@sha256:…`)
  let offers: Offer[] = []
  try {
    offers = image === undefined || manifest.exports !== undefined || manifest.main !== undefined ? await offersOf(found) : []
    if (image === undefined || offers.length > 0) {
      const file = relative(folder, await moduleOf(found, String(name), placeOf(found))).replaceAll('\\', '/')
      if (!(await packedFiles(folder, placeOf(found))).includes(file)) wrong.push(`${file} is its module, and npm would not pack it. Name it in files`)
    }
    if (offers.length === 0 && image === undefined) wrong.push('its module exports no executor. Export a class that extends Executor, or a function')
  } catch (error) {
    wrong.push(say(error))
  }
  for (const { name, problem, about, endpoints } of offers) {
    if (problem !== undefined) wrong.push(problem)
    else if (endpoints.length === 0) wrong.push(`${name} answers no endpoint. Give it static requests = { '/default': 'method' }`)
    if (about === undefined && problem === undefined) advice.push(`${name} does not say what it does: static metas = { description: '…' }`)
  }
  if (!filled(description)) advice.push('description is missing: one line on what it is for')
  if (!filled(license)) advice.push('license is missing: without one, nobody may use it')
  if (!Array.isArray(keywords) || !keywords.includes(KEYWORD)) advice.push(`keywords has no ${KEYWORD}, by which packages of executors are found on npm`)
  if (!existsSync(join(folder, 'README.md'))) advice.push('README.md is missing')
  if (types === undefined && !JSON.stringify(manifest.exports ?? '').includes('types'))
    advice.push('it has no types: in TypeScript, its executors are of any kind')
  return { wrong, advice, offers }
}

function has(record: unknown, name: string): boolean {
  return typeof record === 'object' && record !== null && Object.hasOwn(record, name)
}

function filled(text: unknown): boolean {
  return typeof text === 'string' && text !== ''
}
