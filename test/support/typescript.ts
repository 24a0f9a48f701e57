import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const COMPILER = resolve('node_modules/typescript/lib/tsc.js')
const DECLARATIONS = resolve('.sluice/types/lib')

function compile(args: readonly string[]): Promise<{ failed: unknown; output: string }> {
  return new Promise((done) => execFile(process.execPath, [COMPILER, ...args], { maxBuffer: 1e8 }, (failed, output) => done({ failed, output })))
}

let made: Promise<string> | undefined

/** The folder with what is published of the types, made once: each program would check all of the sources else, which `npm run types` does. */
export function declarations(): Promise<string> {
  made ??= compile(['-p', 'tsconfig.build.json', '--outDir', DECLARATIONS, '--noCheck']).then(({ failed, output }) => {
    if (failed) throw new Error(`There are no declarations: ${output}`, { cause: failed })
    return DECLARATIONS
  })
  return made
}

/** Puts this package into a folder, as it is published: types and all, which `npm test` alone does not make. */
export async function published(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  cpSync('package.json', join(folder, 'package.json'))
  cpSync('dist', join(folder, 'dist'), { recursive: true })
  cpSync(await declarations(), join(folder, 'dist'), { recursive: true })
}

/** A program that is checked against the declarations, in which `sluice` is this package. Inside the package, so that it finds what tests use. */
export class Program {
  readonly #folder: string

  constructor(name: string, files: Readonly<Record<string, string>>) {
    this.#folder = resolve('.sluice/types', name)
    rmSync(this.#folder, { recursive: true, force: true })
    mkdirSync(this.#folder, { recursive: true })
    const root = resolve('.')
    const entries = { '': 'index', '/client': 'client/index', '/gateway': 'gateway/index', '/doc': 'doc/index', '/stream': 'stream/index' }
    const paths = Object.fromEntries(
      Object.entries({ ...entries, '/graphql': 'wire/graphql/index', '/notebook': 'notebook/index', '/telemetry': 'telemetry/index' }).map(([entry, file]) => [
        `sluice${entry}`,
        [`${DECLARATIONS}/${file}.d.ts`],
      ]),
    )
    this.#write('tsconfig.json', JSON.stringify({ extends: `${root}/tsconfig.json`, compilerOptions: { rootDir: root, paths }, include: ['*.ts'] }))
    for (const [file, code] of Object.entries(files)) this.#write(file, code)
  }

  #write(file: string, text: string): void {
    writeFileSync(resolve(this.#folder, file), text)
  }

  /** @returns what is wrong with it, and how many types had to be made of generic ones */
  async check(): Promise<{ errors: string[]; instantiations: number }> {
    await declarations()
    const { failed, output } = await compile(['-p', this.#folder, '--extendedDiagnostics', '--pretty', 'false'])
    const errors = output.split('\n').filter((line) => line.includes('error TS'))
    const instantiations = Number(/Instantiations:\s+(\d+)/.exec(output)?.[1])
    // A compiler that did not run found nothing wrong.
    if (errors.length > 0 !== Boolean(failed) || !(instantiations > 0)) throw new Error(`The compiler said ${output}`, { cause: failed })
    return { errors, instantiations }
  }

  /** What an editor asks of a file, where `^` stands under it in a comment: what it shows over it, or which words it completes there. */
  async editor(file: string, code: string): Promise<Editor> {
    await declarations()
    this.#write(file, code)
    const editor = new Editor(this.#folder, pathToFileURL(resolve(this.#folder, file)).href, code)
    await editor.open()
    return editor
  }
}

/** The language server of the compiler that is installed. */
class Editor implements Disposable {
  readonly #folder: string
  readonly #uri: string
  readonly #lines: readonly string[]
  readonly #server: ChildProcess
  readonly #asked: ((result: any) => void)[] = []
  #buffer = Buffer.alloc(0)

  constructor(folder: string, uri: string, code: string) {
    this.#folder = folder
    this.#uri = uri
    this.#lines = code.split('\n')
    this.#server = spawn(process.execPath, [COMPILER, '--lsp', '--stdio'], { stdio: ['pipe', 'pipe', 'ignore'] })
    this.#server.stdout!.on('data', (bytes: Buffer) => this.#read(bytes))
  }

  async open(): Promise<void> {
    await this.#ask('initialize', {
      processId: process.pid,
      rootUri: pathToFileURL(this.#folder).href,
      capabilities: { textDocument: { hover: { contentFormat: ['markdown'] } } },
    })
    this.#send({ method: 'initialized', params: {} })
    this.#send({
      method: 'textDocument/didOpen',
      params: { textDocument: { uri: this.#uri, languageId: 'typescript', version: 1, text: this.#lines.join('\n') } },
    })
  }

  /** @param name of the place: `// ^ name` in the line below it @returns the type alone, on one line */
  async hover(name: string): Promise<string> {
    const { contents } = await this.#ask('textDocument/hover', this.#at(name))
    const text: string = contents.value ?? contents
    return (/```\w*\n([\s\S]*?)```/.exec(text)?.[1] ?? text).replaceAll(/\s+/g, ' ').trim()
  }

  async complete(name: string): Promise<string[]> {
    const result = await this.#ask('textDocument/completion', this.#at(name))
    return (result.items ?? result).map(({ label }: { label: string }) => label)
  }

  [Symbol.dispose](): void {
    this.#server.kill()
  }

  #at(name: string): object {
    const line = this.#lines.findIndex((line) => line.trimEnd().endsWith(`^ ${name}`))
    return { textDocument: { uri: this.#uri }, position: { line: line - 1, character: this.#lines[line]!.indexOf('^') } }
  }

  #ask(method: string, params: object): Promise<any> {
    return new Promise((resolve) => {
      const id = this.#asked.push(resolve) - 1
      this.#send({ id, method, params })
    })
  }

  #send(message: object): void {
    const text = JSON.stringify({ jsonrpc: '2.0', ...message })
    this.#server.stdin!.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
  }

  #read(bytes: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, bytes])
    for (;;) {
      const end = this.#buffer.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(/Content-Length: (\d+)/i.exec(this.#buffer.toString('utf8', 0, end))![1])
      if (this.#buffer.length < end + 4 + length) return
      const message = JSON.parse(this.#buffer.toString('utf8', end + 4, end + 4 + length))
      this.#buffer = this.#buffer.subarray(end + 4 + length)
      // What the server asks itself needs an answer, too.
      if (message.method === undefined) this.#asked[message.id]!(message.result)
      else if (message.id !== undefined) this.#send({ id: message.id, result: message.params?.items?.map(() => null) ?? null })
    }
  }
}
