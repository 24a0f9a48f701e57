/** What has a picture, in which whoever serves it shows what goes on. */
export interface Pictured {
  /**
   * JSON: what stands in it, and where, for the page that draws it.
   * @param addresses whether where executors elsewhere are may be in it
   */
  view(addresses: boolean): Promise<object> | undefined
}
