import { existsSync } from 'node:fs';
import { openGatewayProcess } from './gateway-process.ts';
import { tempDir } from './temp-dir.ts';
import { describe, expect, it } from './test.ts';
import { until } from './until.ts';

let earlier: string | undefined;
describe('the kit', () => {
  it('gives a gateway in this process and an empty directory', async ({ gateway, dir }) => {
    earlier = dir;
    const { id } = await gateway.create({ argv: ['echo', 'hello'] });
    expect(await gateway.seen(id, 'hello')).toContain('hello');
    expect(existsSync(dir)).toBe(true);
  });

  it('removes the directory of a test after that test', () => {
    expect(earlier).toBeTypeOf('string');
    expect(existsSync(earlier ?? '/')).toBe(false);
  });

  it('starts the gateway again on the same directory and port', async ({ gateway }) => {
    const { url } = gateway;
    const { id } = await gateway.create({ argv: ['cat'], mode: 'pipe' });
    await gateway.restart();
    expect(gateway.url).toBe(url);
    await gateway.input(id, 'still here\n');
    await gateway.seen(id, 'still here');
  });

  it('kills a gateway of its own process, whose programs go on', async () => {
    const gateway = await openGatewayProcess();
    const { id } = await gateway.create({ argv: ['cat'], mode: 'pipe' });
    await gateway.kill();
    await gateway.restart();
    await gateway.input(id, 'still here\n');
    await gateway.seen(id, 'still here');
  });

  it('logs a page in', async ({ page, gateway }) => {
    expect(page.page.url()).toContain(gateway.url);
    expect(page.complaints).toEqual([]);
  });

  it('gives a socket that says hello', async ({ frames }) => {
    expect(await frames.next()).toMatchObject({ t: 'hello' });
  });

  it('names what did not come', async () => {
    await expect(until('pigs fly', () => false, 20)).rejects.toThrow('Waited 20 ms in vain until pigs fly.');
    expect(await until('a number comes', () => 0)).toBe(0);
    expect(tempDir('named')).toContain('binnacle-named-');
  });
});
