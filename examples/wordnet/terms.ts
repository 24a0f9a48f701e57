const STOP_WORDS = new Set(
  'a an and are as at be been being by can do for from has have having how i in into is it its not of on one or other some something somebody such that the their them there they this to used very was were what when where which who whose will with without'.split(
    ' ',
  ),
)

/** The words of a text that mean something, in lower case, without accents and, if asked, without endings. */
export function terms(text: string, stemmed: boolean): string[] {
  const words =
    text
      .normalize('NFKD')
      .replace(/[\u0300-\u036f]/g, '')
      .toLowerCase()
      .match(/[a-z0-9]+/g) ?? []
  const kept = words.filter((word) => word.length > 1 && !STOP_WORDS.has(word))
  return stemmed ? kept.map(stem) : kept
}

/** Takes plurals and verb endings off: `spiders`, `studied`, `looking` become `spider`, `study`, `look`. */
function stem(word: string): string {
  if (word.length < 4) return word
  return word
    .replace(/(?:ies|ied)$/, 'y')
    .replace(/(sh|ch|ss|x)es$/, '$1')
    .replace(/([^su])s$/, '$1')
    .replace(/([a-z]{3,}?)(?:ing|ed)$/, '$1')
    .replace(/([^aeiouls])\1$/, '$1')
    .replace(/([a-z]{3,})e$/, '$1')
}
