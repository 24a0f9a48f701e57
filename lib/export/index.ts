// The door of this room: one, as it is loaded by a Flow that is asked for it, and by no other.
export { toCompose } from './compose.js'
export { leftOf, toKubernetes } from './kubernetes.js'
export { toKustomize } from './kustomize.js'
