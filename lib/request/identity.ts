type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

/** Who asks, as whoever let them in said it: JSON, which nobody can change. */
export type Identity = Exclude<Json, null>
