// What runs in the containers of the tests: it does what suites ask of it.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Executor } from 'sluice'

const later = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
/** Takes all the memory that there is. */
function fill() {
  for (const all = []; ; ) all.push(Buffer.alloc(1 << 20, 1))
}

export class Doing extends Executor {
  static requests = { '/about': 'about', '/die': 'die', '/wait': 'wait', '/waited': 'waited', '/pieces': 'pieces', '/slow': 'slow', '/write': 'write' }
  #aborted = []
  #made = 0
  #waiting = 0

  open() {
    if (this.config.say !== undefined) console.log(this.config.say)
    if (this.config.crash) process.exit(3)
    if (this.config.fills) fill()
    return later(this.config.opens ?? 0)
  }

  close() {
    if (this.config.closes) writeFileSync('/there/closed', 'closed')
  }

  about({ docs, parameters }) {
    const status = readFileSync('/proc/self/status', 'utf8')
    const flags = (name) => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1]
    const writes = (path) => {
      try {
        writeFileSync(path, 'x')
        return true
      } catch ({ code }) {
        return code
      }
    }
    for (const doc of docs)
      doc.tags = {
        ...{ pid: process.pid, uid: process.getuid(), env: this.env, processEnv: { ...process.env }, config: this.config, name: this.name, parameters },
        ...{ capabilities: flags('CapEff'), privileges: flags('NoNewPrivs'), root: writes('/app/x'), tmp: writes('/tmp/x') },
        there: existsSync('/there') ? [readdirSync('/there'), writes('/there/x')] : null,
        workspace: this.hasWorkspace ? writes(`${this.workspace}/x`) : null,
        argv: process.argv.slice(2),
      }
    return docs
  }

  async die({ docs: [doc] }) {
    if (doc.text === 'exit') process.exit(7)
    if (doc.text === 'SIGKILL') process.kill(process.pid, 'SIGKILL')
    if (doc.text === 'OOM') fill()
    await later(20)
  }

  async wait({ docs, signal }) {
    this.#waiting++
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    this.#aborted.push(docs[0].text)
  }

  waited({ docs }) {
    docs[0].tags.aborted = this.#aborted
    docs[0].tags.made = this.#made
    docs[0].tags.waiting = this.#waiting
  }

  async *pieces({ docs: [doc] }) {
    for (let n = 0; n < Number(doc.text); n++) {
      this.#made++
      yield { ...doc.toJSON(), text: `${n}` }
      await later(5)
    }
  }

  async slow({ docs }) {
    await later(20)
    for (const doc of docs) doc.text = `${doc.text}!`
  }

  write() {
    console.log(`a line of ${this.name}`)
  }
}
