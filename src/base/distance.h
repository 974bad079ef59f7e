/* How far two words are apart, to find out which one a person may have meant. */
#ifndef BASE_DISTANCE_H
#define BASE_DISTANCE_H

#define DISTANCE_FAR 1000U

/* Edit distance of two NUL-terminated words, ASCII case ignored: how many characters have to be
 * inserted, removed, replaced or exchanged with their neighbour (optimal string alignment).
 * DISTANCE_FAR where either word is longer than 63 bytes. */
unsigned distance_of(const char *a, const char *b);

/* Are they close enough for "did you mean …"? At most a third of `a` differs, and three characters.
 */
int distance_is_near(const char *a, const char *b);

#endif
