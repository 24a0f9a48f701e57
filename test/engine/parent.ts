// A process with a Flow of a container, to be killed.
import { Flow } from 'sluice'

await new Flow<any>().add({ name: 'orphan', uses: process.argv[2]! } as any).open()
process.stdout.write('open\n')
setInterval(() => {}, 1000)
