import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A folder for a test's files, gone when the process ends. */
export class Folder {
  readonly path: string

  /** @param within where it is */
  constructor(within = tmpdir()) {
    mkdirSync(within, { recursive: true })
    this.path = mkdtempSync(join(within, 'sluice-'))
    process.on('exit', () => rmSync(this.path, { recursive: true, force: true }))
  }

  /** @returns the path of a file there, written if there is content for it */
  file(name: string, content?: string | Uint8Array): string {
    const path = join(this.path, name)
    mkdirSync(dirname(path), { recursive: true })
    if (content !== undefined) writeFileSync(path, content)
    return path
  }
}
