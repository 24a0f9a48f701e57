/** Tools for async iterables that know nothing of documents. */
export { type Emit, type InFlightOptions, inFlight, type Work } from './in-flight.js'
