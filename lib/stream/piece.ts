/** A part of a result among the results: it leaves no place for another item. */
export class Piece<R> {
  /** @param taken is called when the consumer took it, or when nobody will */
  constructor(
    readonly value: R,
    readonly taken: () => void,
  ) {}
}
