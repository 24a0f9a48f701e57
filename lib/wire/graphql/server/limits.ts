import { type DocumentNode, type FragmentDefinitionNode, GraphQLError, Kind, type SelectionNode, type ValidationRule, validate } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import type { Settings } from '../options.js'
import { STATUS } from '../status.js'

/** What an operation asks for, with fragments counted where they are used. */
interface Measure {
  depth: number
  aliases: number
  fields: number
  directives: number
}

type Limits = Pick<Settings, 'maxDepth' | 'maxAliases' | 'maxFields' | 'maxDirectives'>

/** A validation rule: refuses operations that ask for too much. Each fragment is measured once, so a tree of fragments costs no more than it is long. */
export function limitRule(limits: Limits): ValidationRule {
  const { maxDepth, maxAliases, maxFields, maxDirectives } = limits
  return (context) => ({
    Document(document) {
      const refuse = (what: string, found: number, limit: number) => {
        if (found > limit) context.reportError(new GraphQLError(`The operation has more than ${limit} ${what}`, { extensions: { code: STATUS.refused.code } }))
      }
      const { depth, aliases, fields, directives } = measure(document, (name) => context.getFragment(name))
      refuse('levels of fields', depth, maxDepth)
      refuse('aliases', aliases, maxAliases)
      refuse('fields', fields, maxFields)
      refuse('directives', directives, maxDirectives)
      return false
    },
  })
}

/** Applies {@link limitRule} before all other rules, some of which take a time that grows with the square of the fields. */
export function limitOperations(limits: Limits): Plugin {
  const rules = [limitRule(limits)]
  const passed = new WeakSet<DocumentNode>()
  return {
    onValidate({ params: { schema, documentAST }, setResult }) {
      if (passed.has(documentAST)) return
      const errors = validate(schema, documentAST, rules)
      if (errors.length > 0) setResult([...errors])
      else passed.add(documentAST)
    },
  }
}

function measure(document: DocumentNode, fragmentOf: (name: string) => FragmentDefinitionNode | null | undefined): Measure {
  const fragments = new Map<FragmentDefinitionNode, Measure>()
  const add = (total: Measure, part: Measure) => {
    total.depth = Math.max(total.depth, part.depth)
    total.aliases += part.aliases
    total.fields += part.fields
    total.directives += part.directives
  }
  const select = (selections: readonly SelectionNode[]): Measure => {
    const total: Measure = { depth: 0, aliases: 0, fields: 0, directives: 0 }
    for (const selection of selections) {
      total.directives += selection.directives?.length ?? 0
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const fragment = fragmentOf(selection.name.value)
        if (fragment) add(total, spread(fragment))
      } else if (selection.kind === Kind.INLINE_FRAGMENT) add(total, select(selection.selectionSet.selections))
      else {
        total.fields++
        if (selection.alias) total.aliases++
        const inner = selection.selectionSet ? select(selection.selectionSet.selections) : undefined
        if (inner) add(total, { ...inner, depth: 0 })
        // What tools ask about the schema is deep by nature; graphql has a rule of its own for it.
        const about = selection.name.value === '__schema' || selection.name.value === '__type'
        total.depth = Math.max(total.depth, about ? 1 : 1 + (inner?.depth ?? 0))
      }
    }
    return total
  }
  const spread = (fragment: FragmentDefinitionNode): Measure => {
    const known = fragments.get(fragment)
    if (known) return known
    // Stands in while the fragment is measured: one that contains itself is refused by graphql's own rule.
    const found: Measure = { depth: 0, aliases: 0, fields: 0, directives: fragment.directives?.length ?? 0 }
    fragments.set(fragment, found)
    add(found, select(fragment.selectionSet.selections))
    return found
  }
  const all: Measure = { depth: 0, aliases: 0, fields: 0, directives: 0 }
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) add(all, { ...spread(definition), depth: 0 })
    else if (definition.kind === Kind.OPERATION_DEFINITION) {
      all.directives += definition.directives?.length ?? 0
      add(all, select(definition.selectionSet.selections))
    }
  }
  return all
}
