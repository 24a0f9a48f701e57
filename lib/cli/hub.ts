import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import { packageAt, packageFile } from '../config/npm.js'
import type { Installed } from '../config/package-module.js'
import { type Specifier, specifierOf } from '../config/specifier.js'
import { checked } from './hub-check.js'
import { type Offer, offersOf, readPackage, usesOf } from './hub-offers.js'
import { Failed, Usage } from './usage.js'

type PackageName = Extract<Specifier, { kind: 'npm' }>

/** `sluice hub`: packages of executors. npm is the hub. */
export function hubCommand(): Command {
  return new Command('hub')
    .summary('packages of executors: what they offer, whether they can be published')
    .description('Packages of executors, which npm keeps: says what one offers, checks one before it is published, and installs one, with consent.')
    .addCommand(showCommand())
    .addCommand(checkCommand())
    .addCommand(installCommand())
    .addHelpText(
      'after',
      `
Examples:
  $ sluice hub show my-executors             # one that is installed
  $ sluice hub check                         # the package in this folder, before npm publish
  $ sluice hub install my-executors@1.2.3    # for Flows that say uses: npm:my-executors@1.2.3#Name
  $ sluice new my-executors --template executors`,
    )
}

function showCommand(): Command {
  return new Command('show')
    .summary('say what a package offers')
    .description(
      'Says which executors a package exports, and which endpoints they answer. It imports the module of the package, whose code runs. Nothing is fetched.',
    )
    .argument('<name-or-folder>', 'the name of a package that is installed, my-executors or my-executors@1.2.3, or its folder: ./my-executors')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ sluice hub show my-executors
  $ sluice hub show . --json`,
    )
    .action(show)
}

async function show(given: string, { json }: { json?: true }): Promise<void> {
  const found = await foundAt(given)
  const offers = await offersOf(found)
  const { name, version, description } = found.manifest
  if (json) return void process.stdout.write(`${JSON.stringify({ name, version, description, executors: offers }, null, 2)}\n`)
  process.stdout.write(
    `${name} ${version ?? ''}${description === undefined ? '' : `: ${description}`}\n\n${offers.map(shown).join('\n') || 'It exports no executor.\n'}`,
  )
}

/** A package that is a folder, or installed. */
async function foundAt(given: string): Promise<Installed> {
  if (/^\.|[\\/]$|^[\\/]|^[A-Za-z]:[\\/]/.test(given)) return readPackage(resolve(given))
  const wanted = named(given)
  const { found } = await packageAt(wanted, process.cwd())
  if (found !== undefined) return found
  const isFolder = existsSync(resolve(given, 'package.json'))
  const advice = isFolder
    ? `Its folder is named ./${given}`
    : `npm install ${given} installs it for this project, sluice hub install ${given} for all that you run`
  throw new Usage(`${given} is not installed. ${advice}`)
}

function named(given: string): PackageName {
  const what = specifierOf(`npm:${given.replace(/^npm:/, '')}`, { file: given })
  return what as PackageName
}

function shown({ name, uses, about, endpoints, input, parameters, problem }: Offer): string {
  const lines = [about, `uses: ${uses}`, problem ?? `answers ${endpoints.join(', ')}`]
  for (const [what, schema] of Object.entries({ 'takes tags': input.tags, 'takes text': input.text, 'takes parameters': parameters }))
    if (schema !== undefined) lines.push(`${what} ${JSON.stringify(schema)}`)
  return `${name}\n${lines
    .filter((line) => line !== undefined)
    .map((line) => `  ${line}\n`)
    .join('')}`
}

function checkCommand(): Command {
  return new Command('check')
    .summary('check a package before it is published')
    .description(
      'Checks the package of a folder as those who install it would meet it. It imports the module of the package, whose code runs. Nothing is fetched or sent.',
    )
    .argument('[folder]', 'where its package.json is', '.')
    .addHelpText(
      'after',
      `
Examples:
  $ sluice hub check
  $ sluice hub check packages/ocr

Exit codes:
  0  it can be published     1  something is wrong     2  the command line makes no sense`,
    )
    .action(async (folder: string) => {
      const { wrong, advice, offers } = await checked(resolve(folder))
      for (const line of wrong) process.stdout.write(`wrong   ${line}\n`)
      for (const line of advice) process.stdout.write(`better  ${line}\n`)
      for (const { name, endpoints } of offers) process.stdout.write(`offers  ${name}: ${endpoints.join(', ')}\n`)
      if (wrong.length > 0) throw new Failed()
      process.stdout.write('It can be published: npm publish\n')
    })
}

function installCommand(): Command {
  return new Command('install')
    .summary('install a package for all Flows that you run')
    .description(
      'Has npm install a package into the cache of sluice, without its install scripts, as allowInstall does. Flows that name it then find it. It asks first.',
    )
    .argument('<package>', 'my-executors@1.2.3, or without a version the one that is newest now')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      `
Examples:
  $ sluice hub install my-executors@1.2.3
  $ sluice hub install my-executors@1.2.3 --yes    # in a script`,
    )
    .action(install)
}

async function install(given: string, { yes }: { yes?: true }): Promise<void> {
  const wanted = named(given)
  const { found, home } = await packageAt(wanted, process.cwd())
  const label = given.replace(/^npm:/, '').replace(/#.*$/, '')
  if (found === undefined) {
    if (!yes && !(await consent(`npm fetches ${label}, and what it depends on, into ${home}. Their code will run in Flows that name it. Install it? [y/N] `)))
      throw new Usage(`${label} was not installed. Say yes to the question, or give --yes`)
    await packageFile(wanted, process.cwd(), true, { file: label })
  }
  const there = found ?? (await packageAt(wanted, process.cwd())).found!
  process.stdout.write(
    `${label} is in ${there.folder}\nuses: ${usesOf({ name: wanted.package, version: wanted.version }, 'Name')}    # sluice hub show ${label} says which names\n`,
  )
}

/** Asks a person; where nobody can be asked, nobody has said yes. */
async function consent(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await asking.question(question)).trim())
  } finally {
    asking.close()
  }
}
