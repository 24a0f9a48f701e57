import { Client } from 'sluice/client'

// At the address of the page: Vite hands on what is asked at /post.
const client = new Client(location.origin)
const [form, input, output, stop] = ['form', 'input', 'output', '#stop'].map((selector) => document.querySelector(selector)!) as [
  HTMLFormElement,
  HTMLInputElement,
  HTMLOutputElement,
  HTMLButtonElement,
]
let running: AbortController | undefined

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  running?.abort()
  const mine = new AbortController()
  running = mine
  output.textContent = ''
  stop.disabled = false
  try {
    for await (const { partial, delta } of client.post('/', input.value, { signal: mine.signal }))
      if (partial) for (const { text } of delta ?? []) output.textContent += text ?? ''
  } catch (error) {
    // A question that came in between has the page now.
    if (running === mine) output.textContent += mine.signal.aborted ? ' … stopped.' : `\n${(error as Error).message}`
  }
  if (running === mine) stop.disabled = true
})
// The server stops, too: the executor's signal aborts.
stop.addEventListener('click', () => running?.abort())
