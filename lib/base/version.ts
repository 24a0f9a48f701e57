/** The build puts it in, from package.json. */
declare const SLUICE_VERSION: string | undefined

/** Of this package; run from its sources, it has none. */
export const VERSION = typeof SLUICE_VERSION === 'string' ? SLUICE_VERSION : 'unreleased'
