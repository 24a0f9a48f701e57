// What the build puts in the place of `@fastify/busboy`: bodies that are forms are refused before anybody reads them.
export class Busboy {
  constructor() {
    throw new Error('sluice/graphql reads no forms')
  }
}
