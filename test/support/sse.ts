/** Server-sent events of a response: those with a name, each with its data. */
export async function* events(response: Response): AsyncGenerator<{ event: string; data: any }> {
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream() as any) as unknown as AsyncIterable<string>) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(text.slice(0, end))?.[1]
      const [event, data] = [field('event'), field('data')]
      text = text.slice(end + 2)
      if (event !== undefined) yield { event, data: data ? JSON.parse(data) : undefined }
    }
  }
}
