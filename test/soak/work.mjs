// What is killed: it works for a moment, and says who it is.
import { Executor } from 'sluice'

export class Work extends Executor {
  static requests = { '/': 'work' }

  async work({ docs }) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    for (const doc of docs) doc.tags = { pid: process.pid, shard: this.shardId }
  }
}
