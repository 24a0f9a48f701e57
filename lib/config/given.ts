/** An option by its name, if there is one: an option that is `undefined` is another than none, to whoever compares. */
export function given<K extends string, V>(name: K, value: V | undefined): { [key in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [key in K]?: V })
}
