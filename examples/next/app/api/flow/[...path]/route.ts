// Everything below /api/flow is answered by a Flow, in the server of Next.js. Put this file, under this path, into a project (npx create-next-app), and run it:
//   npm run dev
//   curl localhost:3000/api/flow/post -H 'content-type: application/json' -d '{"data": [{"text": "hello"}], "execEndpoint": "/"}'
import { type Call, delta, Flow } from 'sluice'
import { createHttp } from 'sluice/gateway'

async function* shout({ docs, signal }: Call) {
  for (const doc of docs) {
    const words = doc.text.toUpperCase().match(/\S+\s*/g) ?? []
    doc.text = ''
    for (const text of words) {
      signal.throwIfAborted()
      yield delta(doc, { text })
    }
  }
}

/** One Flow for the whole server. Next.js loads this file again when it is edited, so the Flow is kept where it does not. */
const kept = globalThis as { flow?: Promise<Flow> }
kept.flow ??= new Flow({ name: 'next' }).add({ name: 'shout', uses: shout }).open()
const { fetch } = createHttp(await kept.flow)

/** The handler answers at /post, so the prefix goes. What it streams, Next.js hands on as it comes. */
function handle(request: Request): Promise<Response> {
  const url = new URL(request.url)
  url.pathname = url.pathname.replace(/^\/api\/flow/, '') || '/'
  return fetch(new Request(url, request))
}

export { handle as DELETE, handle as GET, handle as POST, handle as PUT }
