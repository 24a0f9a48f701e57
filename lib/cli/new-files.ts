/** What kinds of projects there are. */
export type Template = 'pipeline' | 'executors'

interface Project {
  readonly name: string
  /** What npm installs as sluice. */
  readonly sluice: string
  readonly typescript: boolean
}

/** The files of a new project, by their paths. */
export function filesOf(template: Template, project: Project): Record<string, string> {
  const own = template === 'pipeline' ? pipeline(project) : executors(project)
  return {
    ...own,
    ...(project.typescript && { 'tsconfig.json': TSCONFIG, '.yarnrc.yml': YARN }),
    'pnpm-workspace.yaml': PNPM,
    '.gitignore': `node_modules/\n${project.typescript ? 'dist/\n' : ''}*.tgz\n`,
  }
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

const TSCONFIG = json({
  compilerOptions: {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    rootDir: 'src',
    outDir: 'dist',
    declaration: true,
    strict: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    types: ['node'],
  },
  include: ['src'],
})

/** No install script has to run. npm warns, and pnpm ends with an error, where a project does not say so: each has its own place for it. */
const UNBUILT = { protobufjs: false }
const PNPM = `allowBuilds:\n${Object.entries(UNBUILT)
  .map(([name, builds]) => `  ${name}: ${builds}\n`)
  .join('')}`

/** The compiler of TypeScript 7 finds no types where yarn's Plug'n'Play keeps packages. */
const YARN = 'nodeLinker: node-modules\n'

/** What a project in TypeScript is built with, and no other has. */
const COMPILER = { '@types/node': '^20.19.0', typescript: '>=5.6.0 <8' }

/** Where modules are once they can run. */
const built = (typescript: boolean): string => (typescript ? 'dist' : 'src')
const before = (typescript: boolean): string => (typescript ? 'npm run -s build && ' : '')

function pipeline({ name, sluice, typescript }: Project): Record<string, string> {
  const [folder, ending, build] = [built(typescript), typescript ? 'ts' : 'js', before(typescript)]
  return {
    'package.json': json({
      name,
      version: '0.1.0',
      private: true,
      type: 'module',
      engines: { node: '>=20.9' },
      scripts: {
        ...(typescript && { build: 'tsc' }),
        start: `${build}node ${folder}/main.js`,
        serve: `${build}sluice flow flow.yml --protocol http --port 8080`,
        test: `${build}node --test ${folder}/flow.test.js`,
      },
      dependencies: { sluice },
      ...(typescript && { devDependencies: COMPILER }),
      allowScripts: UNBUILT,
    }),
    'flow.yml': `jtype: Flow
with:
  name: ${name}
executors:
  - name: tidy
    uses: ./${folder}/executors.js#Tidy
  - name: count
    uses: ./${folder}/executors.js#Count
    uses_with: { longest: 3 }
`,
    [`src/executors.${ending}`]: code(
      typescript,
      `import { type Call, Executor } from 'sluice'

/** Takes white space away that says nothing. */
export class Tidy extends Executor {
  static requests = { '/default': 'tidy' }

  tidy({ docs }: Call) {
    for (const doc of docs) doc.text = doc.text.trim().replace(/\\s+/g, ' ')
  }
}

/** Counts words, and finds the longest of them. */
export class Count extends Executor<{ longest: number }> {
  static requests = { '/default': 'count' }

  count({ docs }: Call) {
    for (const doc of docs) {
      const words = doc.text.split(' ').filter((word) => word !== '')
      doc.tags.words = words.length
      doc.tags.longest = words.sort((one, other) => other.length - one.length).slice(0, this.config.longest)
    }
  }
}
`,
    ),
    [`src/main.${ending}`]: `import { Flow } from 'sluice'

const flow = await Flow.loadConfig('flow.yml')
await flow.open()
try {
  // Anything that can be looped over is taken: a file that is read as it is needed, say.
  for await (const { docs } of flow.post('/', ['  Documents go in, ', 'executors   change them,', 'documents come out.'])) {
    for (const { text, tags } of docs) console.log(text, tags)
  }
} finally {
  await flow.close()
}
`,
    [`src/flow.test.${ending}`]: `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Flow } from 'sluice'
import { Count } from './executors.js'

test('words are counted, and the longest are found', async () => {
  const flow = await new Flow().add({ name: 'count', uses: Count, usesWith: { longest: 1 } }).open()
  try {
    const docs = await flow.post('/', ['three small words', ''], { resultsInOrder: true }).docs()
    assert.deepEqual(
      docs.map(({ tags }) => tags),
      [
        { words: 3, longest: ['three'] },
        { words: 0, longest: [] },
      ],
    )
  } finally {
    await flow.close()
  }
})

test('the Flow of flow.yml tidies texts before it counts', async () => {
  const flow = await Flow.loadConfig('flow.yml')
  await flow.open()
  try {
    const docs = await flow.post('/', '  two \\n words ').docs()
    assert.equal(docs.texts[0], 'two words')
    assert.equal(docs[0]?.tags.words, 2)
  } finally {
    await flow.close()
  }
})
`,
    'README.md': `# ${name}

A pipeline of two executors. \`flow.yml\` says in which order; \`src/executors.${ending}\` says what they do.

\`\`\`sh
npm install
npm test          # the tests
npm start         # src/main.${ending}: three documents, and what comes out
npm run serve     # over HTTP, at http://127.0.0.1:8080/docs
\`\`\`

A file of documents, one JSON object a line:

\`\`\`sh
${build.replace('npm run -s build', 'npm run build')}npx sluice run flow.yml --input texts.ndjson --output counted.ndjson
\`\`\`
`,
  }
}

function executors({ name, sluice, typescript }: Project): Record<string, string> {
  const [folder, ending, build] = [built(typescript), typescript ? 'ts' : 'js', before(typescript)]
  return {
    'package.json': json({
      name,
      version: '0.1.0',
      description: 'Executors for sluice.',
      keywords: ['sluice-executor'],
      license: 'UNLICENSED',
      type: 'module',
      engines: { node: '>=20.9' },
      exports: { '.': typescript ? { types: './dist/index.d.ts', default: './dist/index.js' } : './src/index.js' },
      files: [folder, `!${folder}/*.test.*`],
      scripts: {
        ...(typescript && { build: 'tsc' }),
        test: `${build}node --test ${folder}/index.test.js`,
        prepublishOnly: 'npm test && sluice hub check',
      },
      // Theirs is the sluice of who uses them: a copy of their own would have other classes.
      peerDependencies: { sluice: sluice.startsWith('file:') ? '*' : sluice },
      devDependencies: { sluice, ...(typescript && COMPILER) },
      allowScripts: UNBUILT,
    }),
    [`src/index.${ending}`]: code(
      typescript,
      `import { type Call, Executor } from 'sluice'

/** Writes texts in capitals, with a mark behind them. */
export class Shout extends Executor<{ mark?: string }> {
  static metas = { description: 'Writes texts in capitals, with a mark behind them. with: { mark: "!" }' }
  static requests = { '/shout': 'shout' }

  shout({ docs }: Call) {
    for (const doc of docs) doc.text = doc.text.toUpperCase() + (this.config.mark ?? '')
  }
}
`,
    ),
    [`src/index.test.${ending}`]: `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Flow } from 'sluice'
import { Shout } from './index.js'

test('it shouts', async () => {
  const flow = await new Flow().add({ name: 'shout', uses: Shout, usesWith: { mark: '!' } }).open()
  try {
    const docs = await flow.post('/shout', ['a', 'b'], { resultsInOrder: true }).docs()
    assert.deepEqual([...docs.texts], ['A!', 'B!'])
  } finally {
    await flow.close()
  }
})
`,
    'README.md': `# ${name}

Executors for sluice.

| export  | endpoint | what it does                                    | \`with\`             |
| ------- | -------- | ----------------------------------------------- | ------------------ |
| \`Shout\` | \`/shout\` | writes texts in capitals, with a mark behind them | \`mark\`, such as \`!\` |

In a Flow:

\`\`\`yaml
jtype: Flow
executors:
  - name: shout
    uses: npm:${name}#Shout
    uses_with: { mark: '!' }
\`\`\`

To work on it:

\`\`\`sh
npm install
npm test
npx sluice hub show .      # what it offers
npx sluice hub check       # whether it can be published
\`\`\`
`,
  }
}

/** TypeScript, or the same without what only the compiler reads. */
function code(typescript: boolean, text: string): string {
  if (typescript) return text
  return text
    .replace(/\btype \w+, /g, '')
    .replace(/\}: Call\)/g, '})')
    .replace(/extends Executor<[^>]*>/g, 'extends Executor')
}
