/**
 * A language model as they are: it takes 20 ms for a word, says its answer word by word, and stops when nobody listens. This one is not clever: it repeats what the
 * prompt tells it. In your code, this is the call of the model that you use.
 */
export async function* complete(prompt: string, signal: AbortSignal): AsyncGenerator<string> {
  const told = (label: string): string | undefined => new RegExp(`^${label}: (.+)$`, 'm').exec(prompt)?.[1]
  const [word, meaning, relatives] = [told('Word'), told('Meaning'), told('Relatives')]
  const answer = meaning === undefined ? `I do not know what ${word} means.` : `${word}: ${meaning}.${relatives ? ` See also: ${relatives}.` : ''}`
  for (const piece of answer.match(/\S+\s*/g)!) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    signal.throwIfAborted()
    yield piece
  }
}
