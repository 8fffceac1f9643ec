const MAX_DIGITS = 9; // a number of ten digits may exceed the API's integers

/** Return the number in a typed or pasted text: "1,200" is 1200; "12,5" and "$12.5" are 12.5 if `decimal`. */
export function normalizeNumber(typed: string, decimal: boolean): string {
  const plain = typed.replace(/,(?=\d{3}(\D|$))/g, '').replace(',', '.');
  const [whole = '', ...cents] = plain.replace(/[^\d.]/g, '').split('.');
  const digits = whole.slice(0, MAX_DIGITS);
  return decimal && cents.length > 0 ? `${digits}.${cents.join('').slice(0, 2)}` : digits;
}
