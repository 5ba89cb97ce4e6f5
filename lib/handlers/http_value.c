/*
 * Values that decide how a request is framed and whether its connection is kept: Host and Content-Length,
 * one item each; Connection, Transfer-Encoding and Expect, lists of words. See http_parse.c.
 */
#include "http_parse_priv.h"

static const char *const word_text[] = {
	[W_NONE] = "",
	[W_OTHER] = "",
	[W_CLOSE] = "close",
	[W_KEEP_ALIVE] = "keep-alive",
	[W_CHUNKED] = "chunked",
	[W_CONTINUE] = "100-continue",
};

const uint8_t http_class[256] = {
	['0' ... '9'] = TOKEN | HOST | SCHEME,
	['A' ... 'Z'] = TOKEN | HOST | SCHEME,
	['a' ... 'z'] = TOKEN | HOST | SCHEME,
	['+'] = TOKEN | HOST | SCHEME,
	['-'] = TOKEN | HOST | SCHEME,
	['.'] = TOKEN | HOST | SCHEME,
	['!'] = TOKEN | HOST, ['$'] = TOKEN | HOST, ['%'] = TOKEN | HOST, ['&'] = TOKEN | HOST,
	['\''] = TOKEN | HOST, ['*'] = TOKEN | HOST, ['_'] = TOKEN | HOST, ['~'] = TOKEN | HOST,
	['#'] = TOKEN, ['^'] = TOKEN, ['`'] = TOKEN, ['|'] = TOKEN,
	['('] = HOST, [')'] = HOST, [','] = HOST, [';'] = HOST, ['='] = HOST,
	[':'] = HOST, ['['] = HOST, [']'] = HOST,
};

static uint8_t word_candidate(uint8_t field, uint8_t c)
{
	if (field == F_CONNECTION)
		return lower(c) == 'c' ? W_CLOSE : lower(c) == 'k' ? W_KEEP_ALIVE : W_OTHER;
	if (field == F_CODING)
		return lower(c) == 'c' ? W_CHUNKED : W_OTHER;
	return c == '1' ? W_CONTINUE : W_OTHER;
}

/* A list element is complete (RFC 9110 section 5.6.1: empty ones are ignored). */
void http_list_end(struct http_parser *p)
{
	uint8_t word = p->word;

	if (word == W_NONE)
		return;
	if (word_text[word][word == W_OTHER ? 0 : p->pos])
		word = W_OTHER;
	if (word == W_CLOSE) {
		p->flags |= HTTP_HAS_CLOSE;
	} else if (word == W_KEEP_ALIVE) {
		p->flags |= HTTP_HAS_KEEP_ALIVE;
	} else if (p->field == F_EXPECT) {
		p->flags |= word == W_CONTINUE ? HAS_CONTINUE : HAS_OTHER;
	} else if (word == W_CHUNKED) {
		p->flags |= p->flags & TE_CHUNKED ? TE_TWICE : TE_CHUNKED | TE_LAST;
	} else if (p->field == F_CODING) {
		p->flags |= TE_OTHER;
		p->flags &= (uint16_t)~TE_LAST;
	}
	p->word = W_NONE;
	p->gap = 0;
}

void http_list_byte(struct http_parser *p, uint8_t c)
{
	if (c == ',') {
		http_list_end(p);
	} else if (is_blank(c)) {
		p->gap = p->word != W_NONE;
	} else if (p->word == W_NONE) {
		p->word = word_candidate(p->field, c);
		p->pos = 1;
	} else if (p->word != W_OTHER) {
		if (p->gap || (uint8_t)word_text[p->word][p->pos] != lower(c))
			p->word = W_OTHER;
		p->pos++;
	}
}

bool http_item_byte(struct http_parser *p, uint8_t c)
{
	if (is_blank(c)) {
		if (p->pos == ITEM_IN)
			p->pos = ITEM_AFTER;
		return true;
	}
	if (p->pos == ITEM_AFTER)
		return false;
	p->pos = ITEM_IN;
	if (p->field == F_HOST)
		return is_class(c, HOST);
	if (!is_digit(c) || p->left > (UINT64_MAX / 2 - 9) / 10)
		return false;
	p->left = p->left * 10 + (c - '0');
	return true;
}
