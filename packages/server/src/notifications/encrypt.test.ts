// Messages for browsers against the example of RFC 8291, and read by a reader that shares no line with the writer.

import { createECDH, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { checkKeys, encrypt, MAX_PLAIN_BYTES } from './encrypt.ts';
import { decrypt } from './push-service.fixture.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'base64url');
/** Appendix A of RFC 8291. */
const RFC = {
  plain: 'When I grow up, I want to be a watermelon',
  serverPrivate: bytes('yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw'),
  browserPublic: bytes('BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4'),
  browserPrivate: bytes('q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94'),
  auth: bytes('BTBZMqHH6r4Tts7J_aSIgg'),
  salt: bytes('DGv6ra1nlYgDCS1FRnbzlw'),
  body:
    'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A' +
    '_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN',
};

describe('a message for a browser', () => {
  test('is what RFC 8291 says it is, byte for byte', () => {
    const keys = { p256dh: RFC.browserPublic, auth: RFC.auth };
    const body = encrypt(Buffer.from(RFC.plain), keys, { salt: RFC.salt, privateKey: RFC.serverPrivate });
    expect(body.toString('base64url')).toBe(RFC.body);
    expect(decrypt(bytes(RFC.body), RFC.browserPrivate, RFC.auth).toString()).toBe(RFC.plain);
  });

  test('is read by its browser alone, and is another each time', () => {
    const browser = createECDH('prime256v1');
    const keys = { p256dh: browser.generateKeys(), auth: randomBytes(16) };
    for (const size of [0, 1, 15, 16, 17, MAX_PLAIN_BYTES]) {
      const plain = randomBytes(size);
      const [body, again] = [encrypt(plain, keys), encrypt(plain, keys)];
      expect(body.length).toBeLessThanOrEqual(4096);
      expect(body.equals(again)).toBe(false);
      expect(decrypt(body, browser.getPrivateKey(), keys.auth).equals(plain)).toBe(true);
      expect(() => decrypt(body, browser.getPrivateKey(), randomBytes(16))).toThrow();
      const other = createECDH('prime256v1');
      other.generateKeys();
      expect(() => decrypt(body, other.getPrivateKey(), keys.auth)).toThrow();
    }
  });

  test('is made for no key that is no point on the curve, and for no short secret', () => {
    const offCurve = Buffer.from(RFC.browserPublic);
    offCurve[64] = (offCurve[64] ?? 0) ^ 1;
    const wrong = [
      { p256dh: offCurve, auth: RFC.auth },
      { p256dh: Buffer.alloc(65, 4), auth: RFC.auth },
      { p256dh: RFC.browserPublic.subarray(0, 64), auth: RFC.auth },
      { p256dh: Buffer.alloc(0), auth: RFC.auth },
      { p256dh: RFC.browserPublic, auth: RFC.auth.subarray(1) },
    ];
    for (const keys of wrong)
      expect(() => checkKeys(keys)).toThrow(expect.objectContaining({ code: 'bad_push_endpoint' }));
    checkKeys({ p256dh: RFC.browserPublic, auth: RFC.auth });
  });
});
