/*
 * The program's own malloc, in front of the C library's: the driver uses it, too. Included once, by a test that defines
 * the two functions below. SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OWN_MALLOC_H
#define OWN_MALLOC_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/* May it be had? Called for each allocation; false makes it fail, with the errno that is set then. */
__attribute__((unused)) static bool allocating(size_t size);
/* Called for each piece that is given back. */
__attribute__((unused)) static void freeing(void);

#ifdef __SANITIZE_ADDRESS__
/* The sanitizer has a malloc of its own. */
enum { OWN_MALLOC = false };
#else
enum { OWN_MALLOC = true };

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

void *malloc(size_t size)
{
	return allocating(size) ? __libc_malloc(size) : NULL;
}

void *calloc(size_t count, size_t size)
{
	return allocating(count * size) ? __libc_calloc(count, size) : NULL;
}

void *realloc(void *memory, size_t size)
{
	return allocating(size) ? __libc_realloc(memory, size) : NULL;
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	*memory = allocating(size) ? __libc_memalign(alignment, size) : NULL;
	return *memory != NULL ? 0 : ENOMEM;
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return allocating(size) ? __libc_memalign(alignment, size) : NULL;
}

void free(void *memory)
{
	if (memory != NULL)
		freeing();
	__libc_free(memory);
}
#endif

#endif
