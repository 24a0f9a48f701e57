type Schema = { readonly [key: string]: any }

/** What is wrong with a value by a JSON Schema: of the 2020-12 vocabulary, what flowSchema() uses, and an error for what it does not. */
export function problems(value: any, schema: Schema, root: Schema = schema, path = '$'): string[] {
  const found: string[] = []
  const matches = (one: Schema): boolean => problems(value, one, root, path).length === 0
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  for (const [word, given] of Object.entries(schema)) {
    const bad = (what: string): number => found.push(`${path} ${what}`)
    switch (word) {
      case '$schema':
      case '$defs':
      case 'title':
      case 'description':
      case 'deprecated':
        break
      case '$ref':
        found.push(
          ...problems(
            value,
            given
              .slice(2)
              .split('/')
              .reduce((at: any, key: string) => at[key], root),
            root,
            path,
          ),
        )
        break
      case 'type':
        if (![given].flat().some((type) => isOf(value, type))) bad(`is no ${given}`)
        break
      case 'enum':
        if (!given.some((one: unknown) => Object.is(one, value) || (typeof value === 'object' && JSON.stringify(one) === JSON.stringify(value))))
          bad(`is none of ${given}`)
        break
      case 'pattern':
        if (typeof value === 'string' && !new RegExp(given, 'u').test(value)) bad(`does not match ${given}`)
        break
      case 'minimum':
        if (typeof value === 'number' && !(value >= given)) bad(`is less than ${given}`)
        break
      case 'maximum':
        if (typeof value === 'number' && !(value <= given)) bad(`is more than ${given}`)
        break
      case 'anyOf':
        if (!given.some(matches)) bad('matches none of several')
        break
      case 'allOf':
        if (!given.every(matches)) bad('does not match all of several')
        break
      case 'oneOf':
        if (given.filter(matches).length !== 1) bad(`matches ${given.filter(matches).length} of several`)
        break
      case 'not':
        if (matches(given)) bad('matches what it must not')
        break
      case 'required':
        if (isObject) for (const key of given) if (!Object.hasOwn(value, key)) bad(`has no ${key}`)
        break
      case 'minItems':
        if (Array.isArray(value) && value.length < given) bad('has too few items')
        break
      case 'minProperties':
        if (isObject && Object.keys(value).length < given) bad('has too few keys')
        break
      case 'items':
        if (Array.isArray(value)) for (const [at, item] of value.entries()) found.push(...problems(item, given, root, `${path}[${at}]`))
        break
      case 'propertyNames':
        if (isObject) for (const key of Object.keys(value)) found.push(...problems(key, given, root, `${path}.${key}`))
        break
      case 'properties':
        if (isObject)
          for (const key of Object.keys(value)) if (Object.hasOwn(given, key)) found.push(...problems(value[key], given[key], root, `${path}.${key}`))
        break
      case 'additionalProperties':
        if (!isObject) break
        for (const key of Object.keys(value)) {
          if (Object.hasOwn(schema.properties ?? {}, key)) continue
          if (given === false) found.push(`${path}.${key} is not known`)
          else found.push(...problems(value[key], given, root, `${path}.${key}`))
        }
        break
      default:
        throw new Error(`This validator does not know ${word}`)
    }
  }
  return found
}

function isOf(value: unknown, type: string): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  return typeof value === type
}
