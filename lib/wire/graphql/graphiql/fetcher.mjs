/**
 * Sends an operation by POST. A subscription is answered by server-sent events, read here and handed on one by one;
 * leaving the loop closes the connection, which stops the executors.
 */
export function fetcher(url) {
  return async (params, { headers = {} } = {}) => {
    const left = new AbortController()
    const response = await fetch(url, {
      method: 'POST',
      headers: { accept: 'application/graphql-response+json, application/json, text/event-stream', 'content-type': 'application/json', ...headers },
      body: JSON.stringify(params),
      signal: left.signal,
    })
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return response.json()
    return results(response.body, left)
  }
}

async function* results(body, left) {
  try {
    for await (const { event, data } of events(body)) {
      if (event === 'complete') return
      if (event === 'next') yield JSON.parse(data)
    }
  } finally {
    left.abort()
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  for (let text = ''; ; ) {
    const { done, value } = await reader.read()
    if (done) return
    text += value
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const fields = text
        .slice(0, end)
        .split('\n')
        .map((line) => /^(\w*): ?(.*)$/.exec(line))
        .filter((field) => field !== null)
      text = text.slice(end + 2)
      const of = (name) =>
        fields
          .filter((field) => field[1] === name)
          .map((field) => field[2])
          .join('\n')
      yield { event: of('event'), data: of('data') }
    }
  }
}
