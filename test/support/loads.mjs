// Imported before a program (`node --import`), it notes each file of code that is loaded: ES modules by a hook, the others where Node reads them.
import { createRequire, register } from 'node:module'
import { MessageChannel } from 'node:worker_threads'

const { port1, port2 } = new MessageChannel()
globalThis.loads = []
port1.on('message', (url) => globalThis.loads.push(url)).unref()
register(
  `data:text/javascript,${encodeURIComponent(`
    let port
    export const initialize = (given) => void (port = given)
    export const load = (url, context, next) => {
      if (!url.startsWith('node:')) port.postMessage(url)
      return next(url, context)
    }`)}`,
  { data: port2, transferList: [port2] },
)
const { extensions } = createRequire(import.meta.url)('node:module')._extensions
  ? { extensions: createRequire(import.meta.url)('node:module')._extensions }
  : {}
for (const [ending, load] of Object.entries(extensions))
  extensions[ending] = (module, file) => {
    globalThis.loads.push(file)
    return load(module, file)
  }
