import { chmodSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Folder } from './folder.js'

/** An engine that there is not: see `engine.mjs`. Its one image serves `test/engine/executor.js`. */
export class FakeEngine {
  /** For SLUICE_DOCKER. */
  readonly command: string
  readonly #folder = new Folder()

  constructor(kind: 'docker' | 'podman') {
    const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
    const [script, module] = [at('./engine.mjs'), at('../engine/executor.js')]
    this.#folder.file('image.json', JSON.stringify([process.execPath, resolve('dist/cli/sluice.js'), 'executor', `${module}#Doing`]))
    const version = kind === 'podman' ? 'podman version 4.3.1' : 'Docker version 0.0.0, build none'
    // What is asked often takes no process of node.
    this.command = this.#folder.file(
      'engine',
      `#!/bin/sh
case "$1" in
  --version) echo '${version}' ;;
  port) echo "127.0.0.1:$(cat "${this.#folder.path}/ports/$2" 2>/dev/null || echo none)" ;;
  *) exec "${process.execPath}" "${script}" "${this.#folder.path}" ${kind} "$@" ;;
esac
`,
    )
    chmodSync(this.command, 0o755)
  }

  /** What it was told, a command each. */
  get log(): string[][] {
    return this.#lines('log')
  }

  /** Containers that it has. */
  get containers(): any[] {
    const folder = join(this.#folder.path, 'containers')
    if (!existsSync(folder)) return []
    return readdirSync(folder).flatMap((file) => (file.endsWith('.json') ? [JSON.parse(readFileSync(join(folder, file), 'utf8'))] : []))
  }

  #lines(name: string): any[] {
    const path = join(this.#folder.path, name)
    return existsSync(path)
      ? readFileSync(path, 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line))
      : []
  }
}
