/** What travels through a Flow. */
export { DocumentArray } from './array.js'
export { Document, type DocumentInit, type DocumentLike, type NamedScore, type Tags } from './document.js'
export type { NdArray, NdArrayInit, NestedList, TypedArray } from './ndarray.js'
