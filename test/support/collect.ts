/** All items of an iterable, and how it ended. */
export async function collect<T>(items: AsyncIterable<T>): Promise<{ items: T[]; error: any }> {
  const collected: T[] = []
  try {
    for await (const item of items) collected.push(item)
    return { items: collected, error: undefined }
  } catch (error) {
    return { items: collected, error }
  }
}
