export const IMAGE: string
export function makeImage(docker?: string): Promise<string>
export function makeExample(name: string, docker?: string): Promise<string>
export function makeNats(name: string, file: string, docker?: string): Promise<string>
