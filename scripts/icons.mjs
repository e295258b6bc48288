// Draws the icons of the installed page from its one drawing, with Chromium. Run it when compass.svg has changed; what it
// makes is committed.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { main, root } from './run.mjs';
import { findChromium } from './system-tools.mjs';

const VIEWER = join(root, 'packages/viewer');
/** `fill`: what is behind it, up to the edges; `scale`: of the drawing in it. */
const ICONS = [
  { file: 'icon-192.png', size: 192, scale: 1 },
  { file: 'icon-512.png', size: 512, scale: 1 },
  // Systems cut a circle or a square with round corners out of it: four fifths are safe.
  { file: 'icon-maskable-512.png', size: 512, scale: 0.8, fill: '#12233a' },
  { file: 'apple-touch-icon.png', size: 180, scale: 0.86, fill: '#12233a' },
];
/** What stands in the line at the top of a phone: its shape alone counts, in one colour. */
const BADGE = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke="#fff" stroke-width="2.6">
  <circle cx="16" cy="16" r="12.5"/><path d="M22 9 18.4 18 10 23 13.6 14Z" fill="#fff" stroke="none"/></svg>`;

await main(import.meta, async () => {
  const browser = await chromium.launch({
    executablePath: findChromium(),
    args: ['--no-sandbox'],
  });
  try {
    const compass = readFileSync(join(VIEWER, 'src/compass.svg'), 'utf8');
    const page = await browser.newPage();
    const draw = async ({ file, size, scale, fill = 'transparent' }, svg) => {
      await page.setViewportSize({ width: size, height: size });
      const inner = Math.round(size * scale);
      await page.setContent(
        `<body style="margin:0;width:${size}px;height:${size}px;display:grid;place-items:center;background:${fill}">` +
          `<div style="width:${inner}px;height:${inner}px">${svg}</div></body>`,
      );
      const png = await page.screenshot({ omitBackground: true });
      writeFileSync(join(VIEWER, 'public', file), png);
      process.stdout.write(`${file}: ${png.length} bytes\n`);
    };
    for (const icon of ICONS) await draw(icon, compass);
    await draw({ file: 'badge.png', size: 96, scale: 1 }, BADGE);
  } finally {
    await browser.close();
  }
});
