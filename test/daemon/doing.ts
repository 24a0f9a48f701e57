// An executor that is sent to a daemon.
import { existsSync } from 'node:fs'
import { type Call, Executor } from '../../lib/index.js'

export class There extends Executor<{ text?: string }> {
  static requests = { '/about': 'about', '/slow': 'slow', '/pieces': 'pieces' }

  about({ docs }: Call) {
    for (const doc of docs)
      doc.tags = {
        pid: process.pid,
        shardId: this.shardId,
        folder: process.cwd(),
        workspace: this.workspace,
        hasWorkspace: existsSync(this.workspace),
        files: ['encoder.yml', 'models/small.bin', '../beside.txt'].filter((file) => existsSync(file)),
        config: this.config,
        env: process.env['X'] ?? null,
      }
  }

  async slow({ docs, parameters }: Call) {
    await new Promise((resolve) => setTimeout(resolve, Number(parameters['milliseconds'] ?? 10)))
    for (const doc of docs) doc.tags = { pid: process.pid, shardId: this.shardId }
  }

  async *pieces({ docs }: Call) {
    for (let at = 0; ; at++) {
      docs[0]!.text = String(at)
      yield docs
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}
