// What tells whether an executor is the one that it was, for who keeps its answers.

/** What a class or function says of itself, in its `version`. */
export function versionOf(uses: unknown): string | number | undefined {
  const version = typeof uses === 'function' ? (uses as { readonly version?: unknown }).version : undefined
  return typeof version === 'string' || typeof version === 'number' ? version : undefined
}

/** How a function is written whose code cannot be seen: one of `.bind()`, a Proxy, one of the runtime's own. No code that can be seen ends so: it would be no JavaScript. */
const UNSEEN = /\{\s*\[native code\]\s*\}\s*$/

/**
 * The text of a class, with those of the classes that it extends, or of a function; of one of `each()`, of what that calls. With another text, it may answer otherwise.
 * @returns undefined where some of that has no text: two of them would have one in common
 */
export function textOf(uses: unknown): string | undefined {
  let text = ''
  let seen = true
  const add = (code: unknown): void => {
    for (let at = code; typeof at === 'function' && at !== Function.prototype; at = Object.getPrototypeOf(at)) {
      const one = Function.prototype.toString.call(at)
      if (UNSEEN.test(one)) seen = false
      text += `${one}\n`
    }
  }
  add(uses)
  add((uses as { readonly fn?: unknown }).fn)
  for (const bound of Object.values((uses as { readonly requests?: object }).requests ?? {})) {
    add(bound)
    add((bound as { readonly fn?: unknown }).fn)
  }
  return seen ? text : undefined
}
