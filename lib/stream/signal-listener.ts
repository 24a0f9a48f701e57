/** One listener for all who listen to a signal: from eleven on, the platform would warn of a leak. */
const hearing = /* @__PURE__ */ new WeakMap<AbortSignal, Set<{ hear(): void }>>()

function onAbort(this: AbortSignal): void {
  for (const ear of [...(hearing.get(this) ?? [])]) ear.hear()
}

/** Has somebody hear of an abort. */
export function listen(signal: AbortSignal, ear: { hear(): void }): void {
  let ears = hearing.get(signal)
  if (ears === undefined) {
    ears = new Set()
    hearing.set(signal, ears)
    signal.addEventListener('abort', onAbort)
  }
  ears.add(ear)
}

export function unlisten(signal: AbortSignal, ear: { hear(): void }): void {
  const ears = hearing.get(signal)
  if (!ears?.delete(ear) || ears.size > 0) return
  hearing.delete(signal)
  signal.removeEventListener('abort', onAbort)
}
