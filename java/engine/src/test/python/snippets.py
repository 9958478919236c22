"""Templates whose output jinja2 itself tells, one a line or so; rendered with CONTEXT."""

CONTEXT = {
    "s": "Hello World",
    "u": "héé 👩‍🚀 中文 ß",
    "sp": " \t padded \n",
    "n": 7,
    "z": 0,
    "neg": -3,
    "f": 2.5,
    "big": 12345678901234567890123,
    "tiny": 1.5e-7,
    "huge": 1e22,
    "yes": True,
    "no": False,
    "nil": None,
    "xs": [3, 1, 2],
    "words": ["b", "A", "c", "a"],
    "mixed": [1, "a", None, True, 2.5, [1], {"k": "v"}],
    "empty": [],
    "d": {"b": 1, "a": "x", "items": "mine", "nested": {"deep": [10, 20]}},
    "people": [
        {"name": "Zoe", "age": 30, "on": True, "home": {"city": "Bern"}},
        {"name": "adam", "age": 25, "on": False, "home": {"city": "Aarau"}},
        {"name": "Bob", "age": 30, "home": {"city": "Chur"}},
    ],
    "html": "<a href='x'>\"&\"</a>",
    "lines": "one\n\n  two\r\nthree\n",
}

EXPRESSIONS = r"""
1
-1
+5
1_000
0x1F
0b101
0o17
1.5
1e3
1.5e-7
1E+20
100000000000000000.0
1234567890123456.0
0.0001
0.00001
.5
012
'a' 'b' "c"
'it''s'
"tab\tnew\nquote\"back\\ \x41 \u00e9 \U0001F600 \101 \q"
'multi
line'
true
True
false
none
None
[]
[1, 'a', none, true, 1.0]
[1,]
(1,)
()
(1, 2)
1, 2
{}
{'a': 1, 'b': [2]}
{'a': 1,}
{1: 2, none: 3, true: 4}
{'it\'s': "q\"", 'n\n': 'é\u200b\x00\u2028'}
"\\"
[[1, [2]], (3,), {'x': (4, 5)}]
1 + 2
1 + 2 * 3
(1 + 2) * 3
7 / 2
6 / 3
7 // 2
-7 // 2
7 // -2
-7 % 3
7 % -3
7.5 // 2
-7.5 % 2
7.5 % -2
2 ** 10
2 ** -1
2 ** 0.5
-2 ** 2
2 ** 3 ** 2
10 - 3 - 2
1 / 0
1 // 0
1 % 0
1.0 / 0
0.1 + 0.2
1e308 * 10
3.0
1 + 1.0
true + true
'a' + 'b'
'a' + 1
1 + 'a'
'ab' * 3
3 * 'ab'
'ab' * -1
[1] * 2
[1] + [2]
(1,) + (2,)
[1] + (2,)
'a' - 'b'
none + 1
'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1] ~ missing
1 ~ 2 + 3
'%s is %d' % ('x', 3)
'%s' % 'y'
'%05d|%-5d|%5s|%.2f|%x|%r|%%' % (42, 42, 'ab', 3.14159, 255, 'q')
'%(a)s and %(b)d' % {'a': 1, 'b': 2}
'%d' % 'x'
'%s %s' % 'one'
'%s' % ('a', 'b')
'%+d %+.1f' % (3, 2.25)
1 < 2
1 < 2 < 3
1 < 3 < 2
1 == 1.0
1 == true
1 == '1'
'a' < 'b'
'a' < 'B'
'a' < 1
none < 1
[1, 2] < [1, 3]
[1, 2] == [1, 2.0]
(1, 2) == [1, 2]
{'a': 1} == {'a': 1.0}
none == none
missing == missing
missing == none
missing != none
1 != 2
'😀' > '\uffff'
1 in [1, 2]
'1' in [1, 2]
'a' in 'abc'
'' in 'abc'
1 in 'abc'
'a' in d
'zzz' not in d
1 in none
1 in missing
'a' in missing
not 1
not not 0
not missing
1 and 2
0 and 2
1 or 2
0 or ''
none or 'x'
missing or 'x'
1 and missing or 3
not 1 == 2
1 if true
1 if false
1 if false else 2
'a' if n > 5 else 'b' if n > 3 else 'c'
(1 if false) is defined
missing
missing.attribute
missing['item']
missing()
missing + 1
-missing
missing[1:]
missing < 1
missing is defined
d.missing
d.missing.deeper
d['missing'] is defined
d.missing is none
nil.x
nil.x is defined
nil[0]
n.x is defined
n[0]
xs.x
xs[0]
xs[-1]
xs[5]
xs[-4]
xs['0']
xs.0
xs[true]
xs[1.0]
d.a
d['a']
d['items']
d.nested.deep[1]
d.nested['deep'].0
d.get('a')
d.get('q')
d.get('q', 5)
d.get()
d.get(key='a')
d.keys()
d.keys() | list
d.values() | list
d.items() | list
d.nested.items()
d.nested.items()[0]
d.nested.items() | length
d.copy() == d
d | length
d.pop('a')
d.pop is defined
d.update({'x': 1})
d.__class__
d.__class__ is defined
s.__class__.__mro__
s._private is defined
xs.append(4)
xs.append is defined
xs.index(1)
xs.index(9)
xs.count(1)
xs.copy()
(1, 2, 1).count(1)
s[0]
s[-1]
s[100]
s[1:4]
s[:3]
s[-3:]
s[::-1]
s[::2]
s[8:2:-2]
s[100:]
s[5:2]
s[::0]
s['x':]
u[4]
u[::-1]
u[2:5]
u | length
xs[1:]
xs[:-1]
xs[::-1]
xs[:]
xs[10:]
(1, 2, 3)[1:]
d[1:]
nil[1:]
n[1:]
range(5)
range(1, 10, 3)
range(5) | list
range(5, 0, -2) | list
range(0) | list
range(3)[1]
range(10)[2:5] | list
range(10)[::-1] | list
range(5) | length
range(100001)
range(100000) | length
range(1, 2, 0)
range('a')
range()
3 in range(5)
dict(a=1, b=2)
dict({'x': 1}, y=2)
dict([('a', 1), ('b', 2)])
dict(1)
namespace(a=1).a
namespace(a=1)['a']
namespace(a=1).b
namespace({'a': 1}, b=2)
n()
'abc'()
s.upper()
s.lower()
s.title()
'ab\'c d-e 3f'.title()
s.capitalize()
'ßtraße'.capitalize()
'ßtraße'.upper()
'ΑΣ'.lower()
s.nothing
s.nothing is defined
s.split()
s.split('o')
s.split('o', 1)
s.split(maxsplit=1)
s.split(sep=' ')
s.split('')
s.split(none)
' a  b '.split()
' a  b '.split(' ')
' a  b  c '.split(none, 1)
s.rsplit('o', 1)
' a  b  c '.rsplit(none, 1)
'a,b,c'.rsplit(',')
'aaa'.rsplit('aa')
'a</think>b'.split('</think>')[-1]
lines.splitlines()
lines.splitlines(true)
'a\x0bb\x1cc\u2028d\x85e'.splitlines()
sp.strip()
sp.lstrip()
sp.rstrip()
'xxhixx'.strip('x')
'xyhiyx'.lstrip('yx')
'xyhiyx'.rstrip('x')
'\u3000\xa0wide\u2003'.strip()
'a'.strip(1)
s.startswith('Hello')
s.startswith(('x', 'He'))
s.startswith(('x', 1))
s.startswith('World', 6)
s.startswith('l', 2, 3)
s.startswith('', 100)
s.endswith('World')
s.endswith(('a', 'd'))
s.endswith('o', 0, 5)
s.startswith(1)
s.replace('o', '0')
s.replace('l', 'L', 2)
'abc'.replace('', '-')
'abc'.replace('', '-', 2)
'👩x'.replace('', '-')
''.replace('', 'x')
'aaa'.replace('aa', 'b')
s.replace('o')
s.find('o')
s.find('o', 5)
s.find('q')
s.find('o', -4)
s.find('', 3)
u.find('中')
s.rfind('o')
s.rfind('o', 0, 5)
s.index('W')
s.index('q')
s.count('l')
s.count('')
s.count('l', 3)
'aaaa'.count('aa')
', '.join(['a', 'b'])
', '.join([1, 2])
''.join('abc')
'-'.join(d)
'-'.join(words | map('upper'))
s.removeprefix('Hello ')
s.removeprefix('x')
s.removesuffix(' World')
s.partition(' ')
s.partition('q')
'a.b.c'.rpartition('.')
'a.b'.rpartition('q')
'123'.isdigit()
'12a'.isdigit()
''.isdigit()
'abc'.isalpha()
'a1'.isalnum()
' \t'.isspace()
''.isspace()
'ABC'.isupper()
'ABc1'.isupper()
'abc1'.islower()
'123'.islower()
'7'.zfill(3)
'-7'.zfill(4)
'ab'.ljust(4) ~ '|'
'ab'.rjust(4, '*')
'{} and {}'.format(1, 'b')
'{1}{0}'.format('a', 'b')
'{x}-{y}'.format(x=1, y=[2])
'{{}} {}'.format(3)
'{}'.format()
'{x}'.format(1)
'}'.format(1)
s.upper(1)
s.lower(x=1)
n is defined
missing is undefined
missing is not defined
nil is none
nil is not none
missing is none
s is string
n is string
n is number
f is number
yes is number
n is integer
yes is integer
big is integer
f is float
n is float
yes is boolean
n is boolean
yes is true
no is false
1 is true
d is mapping
xs is mapping
xs is iterable
s is iterable
n is iterable
missing is iterable
nil is iterable
xs is sequence
d is sequence
n is sequence
range(3) is sequence
d.items() is sequence
d.items() is iterable
(xs | map('string')) is iterable
(xs | map('string')) is sequence
missing is sequence
n is odd
n is even
f is odd
s is odd
n is divisibleby 7
n is divisibleby(2)
n is divisibleby 0
n is equalto 7
n is eq 7
n is == 7
n is ne 7
n is gt 3
n is greaterthan(3)
n is ge 7
n is lt 3
n is lessthan 3
n is le 7
n is in [1, 7]
n is not in [1, 7]
's' is in s
nil is sameas none
yes is sameas true
1 is sameas true
'abc' is lower
'ABC' is upper
s is lower
1 is lower
range is callable
s.upper is callable
n is callable
'upper' is filter
'nope' is filter
'odd' is test
'x' is escaped
('x' | safe) is escaped
n is nope
n is defined is true
n is defined and s is string
n is defined == true
not n is defined
n + 1 is odd
(n + 1) is odd
n is string or n is number
n is divisibleby 7 and true
s | length
xs | length
n | length
missing | length
nil | length
s | count
s | upper
nil | upper
missing | upper
n | upper
s | lower
'hello wORLD-foo (bar) [baz] x_y it\'s' | title
'éa ßb 3c' | title
s | capitalize
sp | trim
'xxhixx' | trim('x')
n | trim
nil | trim
s | replace('o', '0')
s | replace('l', 'L', 1)
112 | replace(1, 2)
s | replace('o')
words | join
words | join(', ')
xs | join('-')
mixed | join('|')
people | join(', ', attribute='name')
people | join(d='/', attribute='home.city')
n | join
missing | join
d | join(',')
s | first
xs | first
empty | first
(empty | first) is defined
none | first
missing | first
n | first
xs | last
s | last
empty | last
(empty | last) is defined
none | last
missing | last
d | last
(xs | map('string')) | last
xs | map('string') | first
xs | list
s | list
d | list
n | list
missing | list
n | string
nil | string
1.0 | string
[1] | string
'42' | int
'42.9' | int
' 42 ' | int
'-7' | int
'x' | int
'x' | int(5)
'x' | int(default=none)
'1f' | int(base=16)
'0x1f' | int(0, 16)
'1_0' | int
'1e3' | int
'' | int
f | int
-2.9 | int
nil | int
yes | int
missing | int
xs | int
'3.5' | float
'x' | float
'x' | float(1.5)
n | float
'1e3' | float
'inf' | float
nil | float
missing | float
missing | default('x')
missing | default
missing | d(1)
nil | default('x')
nil | default('x', true)
'' | default('x', boolean=true)
z | default(5, true)
d.missing | default('m')
missing.x | default('m')
xs | sort
xs | sort(reverse=true)
words | sort
words | sort(case_sensitive=true)
people | sort(attribute='name') | map(attribute='name') | list
people | sort(attribute='age,name') | map(attribute='name') | list
people | sort(attribute='age', reverse=true) | map(attribute='name') | list
mixed | sort
d | sort
n | sort
xs | reverse | list
s | reverse
n | reverse
(xs | map('string')) | reverse | list
[1, 1.0, 2, true, 'a', 'A'] | unique | list
words | unique(case_sensitive=true) | list
[[1], [1]] | unique | list
people | unique(attribute='age') | map(attribute='name') | list
xs | min
xs | max
words | min
words | max(case_sensitive=true)
people | max(attribute='age')
empty | min
(empty | min) is defined
none | min
mixed | max
xs | sum
empty | sum
(empty | sum) is defined
none | sum
people | sum(attribute='age')
xs | sum(start=10)
words | sum
n | abs
neg | abs
-2.5 | abs
s | abs
f | round
3.5 | round
42.55 | round(1)
42.55 | round(1, 'floor')
42.51 | round(0, 'ceil')
42 | round
42 | round(1, 'ceil')
1234 | round(-2)
2.675 | round(2)
-0.4 | round
f | round(1, 'x')
missing | round
s | round
f | round | int
xs | map('string') | list
words | map('upper') | join
people | map(attribute='name') | list
people | map(attribute='home.city') | join(',')
people | map(attribute='on', default='?') | list
people | map(attribute='on') | list
people | map('length') | list
words | map('replace', 'a', 'z') | list
words | map('nope') | list
words | map | list
missing | map('upper') | list
n | map('string') | list
xs | select | list
[0, 1, '', 'a', none] | select | list
xs | select('odd') | list
xs | select('gt', 1) | list
xs | select('nope') | list
xs | reject('odd') | list
[0, 1] | reject | list
people | selectattr('on') | map(attribute='name') | list
people | selectattr('age', 'equalto', 30) | map(attribute='name') | list
people | selectattr('on', 'defined') | list | length
people | selectattr('home.city', 'in', ['Bern', 'Chur']) | list | length
people | rejectattr('on') | map(attribute='name') | list
people | rejectattr('age', '==', 30) | map(attribute='name') | list
people | selectattr | list
d | items | list
missing | items | list
xs | items | list
nil | items | list
d | dictsort
{'b': 1, 'A': 2, 'c': 0} | dictsort
{'b': 1, 'A': 2, 'c': 0} | dictsort(true)
{'b': 1, 'A': 2, 'c': 0} | dictsort(false, 'value')
{'b': 1, 'A': 2, 'c': 0} | dictsort(by='value', reverse=true)
xs | dictsort
{'b': 1} | dictsort(by='x')
'a\nb\n\nc' | indent
'a\nb\n\nc' | indent(2, true)
'a\nb\n\nc' | indent(2, blank=true)
'a\nb\n' | indent('> ', first=true)
n | indent
s | center(20)
'ab' | center(5)
'abc' | center(6)
s | wordcount
'a_b c-d é, 中文' | wordcount
'%s, %s!' | format('Hi', 'you')
'%(a)s' | format(a=1)
'%s' | format
xs | batch(2) | list
xs | batch(2, 'x') | list
xs | slice(2) | list
xs | slice(2, 'x') | list
html | e
html | escape
html | safe
(html | e) | length
'<' + ('<b>' | safe)
('<b>' | safe) + '<'
'<' ~ ('<b>' | safe)
nil | e
d | tojson
d | tojson(indent=2)
mixed | tojson
mixed | tojson(indent=4)
xs | tojson(indent=0)
xs | tojson(separators=(',', ':'))
d | tojson(sort_keys=true)
u | tojson
u | tojson(ensure_ascii=true)
html | tojson
'\n\t\x01\x7f\u2028\\"/' | tojson
[1.0, 1e22, 1.5e-7, 100000.0, none, true] | tojson
{1: 'a', none: 'b', true: 'c', 1.5: 'd'} | tojson
{} | tojson(indent=2)
[] | tojson(indent=2)
[[], {}] | tojson(indent=2)
(1, 2) | tojson
range(3) | tojson
missing | tojson
d.items() | tojson
xs | map('string') | tojson
big | tojson
nil | tojson
xs | tojson(4)
d | tojson(none, 2)
{'a': {'b': [1, {'c': 2}]}} | tojson(indent='\t')
s | nope
s | upper | lower | title
s | upper()
s | upper(1)
-1 | abs
(-1) | abs
'a' ~ 'b' | upper
[1, 2] | length == 2
xs | first + 1
s.split(' ') | map('lower') | join('_')
f
huge
tiny
big
-0.0
1.0 * 0
100000000000000000000.0
123456789.123456789
5e-324
1.7976931348623157e308
mixed
d
people[0]
sp
[sp]
'\x7f\xad\u0301' ~ ['\x7f\xad\u0301']
raise_exception('stop here')
raise_exception()
strftime_now('%Y-%m-%d %H:%M:%S')
strftime_now('%d %b %Y')
strftime_now('%A %a %B %-d %-m %j %I %p %y %% %e')
strftime_now()
s.split(' ', 1)[1].upper()[::-1]
[x for x in xs]
lambda: 1
1 +
(1
[1
{1
1)
a.
a..b
a b
'unclosed
@
$x
1 = 2
xs[
s.upper(
s | 
is defined
not
a if
{'a' 1}
{'a':}
"\xZZ"
f(a=1, 2)
[*xs]
dict(**{'a': 1})
dict(**1)
range(*[1, 4]) | list
1 == 1 == 1
1 < 2 == true
'a' 'b' ~ 'c'
yes and no or nil
(yes, no)[0]
{'a': xs}['a'][0]
[xs, xs][1][0]
((((1))))
"a" if xs else "b"
"a" if none else "b"
"a" if d.missing else "b"
xs == [3, 1, 2]
xs is eq [3, 1, 2]
xs is eq([3, 1, 2]) 
"é" == "e\u0301"
"x" in ["x"] in [[1]]
1 in [1] == true
'%s' % none
'%s' % [1]
'%d%%' % 50.9
'%s' % missing
[missing]
{'a': missing}
missing ~ 'x'
"" ~ none
1 ~ ''
true ~ false
loop
caller is defined
"\
x"
"""

STATEMENTS = [
    "",
    "plain",
    "\n",
    "a\n",
    "a\n\n",
    "a\r\nb\rc\n",
    "{{ 'a\r\nb' }}",
    "{# comment #}x",
    "{# comment #}\nx",
    "a {#- comment -#} b",
    "  {# c #}  x",
    "a\n  {# c #}\n  b",
    "{# a {{ b }} {% c %} #}x",
    "{#- a -#}",
    "{##}x",
    "{#-#} x",
    "{#+ a +#}\nx",
    "{# never closed",
    "{{ never closed",
    "{% if x",
    "{",
    "{ {",
    "a { b } c %} d }} e #}",
    "{{{'a':1}}}",
    "{{ {'a':{'b':1}} }}",
    "{{ '}}' }}",
    "{{ '%}' }}{% if '%}' %}y{% endif %}",
    "{{-1}}",
    "{{- 1 -}}",
    "a {{- 1 -}} b",
    "a\n{{- 1 -}}\nb",
    "a \n {{+ 1 }} \n b",
    "a\n  {{ 1 }}\n  b",
    "a\n  {% if true %}\n  b\n  {% endif %}\n  c",
    "a\n  {%+ if true %}\n  b\n  {%+ endif %}\n  c",
    "a\n  {%- if true %}\n  b\n  {%- endif %}\n  c",
    "a\n  {% if true -%}\n  b\n  {% endif -%}\n  c",
    "a\n  {% if true +%}\n  b\n  {% endif +%}\n  c",
    "  {% if true %}x{% endif %}  y",
    "x  {% if true %}x{% endif %}  y",
    "x\n\t {% if true %}x{% endif %}\n\n y",
    "{{ 1 }}  {% if true %}x{% endif %}",
    "{{ 1 }}\n  {% if true %}x{% endif %}",
    "{{ 1 -}}\n  {% if true %}x{% endif %}",
    "{% if true %}\n  {% if true %}\n  x\n  {% endif %}\n{% endif %}\n",
    "{% if true %}  {% if true %}x{% endif %}{% endif %}",
    "{% if true -%}   {% if true %}x{% endif %}{% endif %}",
    "{% if true -%} \n  {% if true %}x{% endif %}{% endif %}",
    "\u3000{% if true %}x{% endif %}\u3000{%- if true -%}\xa0y{% endif %}",
    "{% raw %}{{ x }} {% y %} {# z #}{% endraw %}",
    "{% raw %}\n a {% endraw %}\nb",
    "{%- raw -%} a {%- endraw -%} b",
    "a\n  {% raw %}\n  b\n  {% endraw %}\n  c",
    "{% raw %}x",
    "{%raw%}{{1}}{%endraw%}",
    "{% raw x %}{% endraw %}",
    "{% if xs %}a{% elif s %}b{% else %}c{% endif %}",
    "{% if none %}a{% elif s %}b{% else %}c{% endif %}",
    "{% if none %}a{% elif '' %}b{% else %}c{% endif %}",
    "{% if none %}a{% elif 1 %}b{% elif 2 %}c{% endif %}",
    "{% if 1 %}a",
    "{% endif %}",
    "{% if %}a{% endif %}",
    "{% if 1 %}a{% endfor %}",
    "{% if 1 %}a{% else %}b{% else %}c{% endif %}",
    "{% if 1: %}a{% endif %}",
    "{% if 1, %}a{% endif %}",
    "{% unknown %}",
    "{% 1 %}",
    "{% %}",
    "{%%}",
    "{% for x in xs %}{{ x }},{% endfor %}",
    "{% for x in xs %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.revindex0 }}/{{ loop.first }}/{{ loop.last }}/{{ loop.length }}/{{ loop.depth }}/{{ loop.depth0 }};{% endfor %}",
    "{% for x in xs %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
    "{% for x in xs %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}",
    "{% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in xs %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in xs %}{{ loop.nothing is defined }}{% endfor %}",
    "{% for x in xs | map('string') %}{{ x }}{{ loop.last }}{{ loop.length }};{% endfor %}",
    "{% for x in xs if x > 1 %}{{ x }}{{ loop.index }}{{ loop.length }}{{ loop.last }};{% endfor %}",
    "{% for x in xs if loop.first %}{{ x }}{% endfor %}",
    "{% for x in empty %}{{ x }}{% else %}empty{% endfor %}",
    "{% for x in xs if x > 9 %}{{ x }}{% else %}empty{% endfor %}",
    "{% for x in missing %}{{ x }}{% else %}empty{% endfor %}",
    "{% for x in nil %}{{ x }}{% endfor %}",
    "{% for x in n %}{{ x }}{% endfor %}",
    "{% for c in u %}{{ c }}|{% endfor %}",
    "{% for k in d %}{{ k }},{% endfor %}",
    "{% for k, v in d.nested.items() %}{{ k }}={{ v }}{% endfor %}",
    "{% for k, v in d | items %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d | dictsort %}{{ k }}{% endfor %}",
    "{% for a, b in [(1, 2), [3, 4], 'xy'] %}{{ a }}{{ b }};{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "{% for a, b in [1] %}{% endfor %}",
    "{% for (a, b) in [(1, 2)] %}{{ a }}{{ b }}{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}",
    "{% for x in [1, 2] + [3] %}{{ x }}{% endfor %}",
    "{% for x in (xs if true else none) %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% for y in xs %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}",
    "{% for x in xs %}{% set outer = loop %}{% for y in 'ab' %}{{ outer.index }}{{ y }}{% endfor %}{% endfor %}",
    "{% for x in xs %}{% endfor %}{{ x is defined }}{{ loop is defined }}",
    "{% for x in xs %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% for y in xs %}{% if y == 1 %}{% break %}{% endif %}{{ y }}{% endfor %}{{ x }};{% endfor %}",
    "{% for x in xs %}{% break %}{% else %}none{% endfor %}",
    "{% for x in xs %}{% continue %}{% else %}none{% endfor %}",
    "{% for x in xs %}{% if loop.last %}{% break %}{% endif %}{% else %}none{% endfor %}",
    "{% break %}",
    "{% if 1 %}{% continue %}{% endif %}",
    "{% for x in xs %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for x in xs %}{% set y %}a{% break %}{% endset %}{{ y }}{% endfor %}.",
    "{% for loop in xs %}{% endfor %}",
    "{% for 1 in xs %}{% endfor %}",
    "{% for x.y in xs %}{% endfor %}",
    "{% for x in xs %}",
    "{% for x of xs %}{% endfor %}",
    "{% for true in xs %}{% endfor %}",
    "{% set x = 5 %}{{ x }}",
    "{% set x = 1, 2 %}{{ x }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set a, b = 'xy' %}{{ b }}{{ a }}",
    "{% set a, b = [1] %}",
    "{% set a, b = missing %}",
    "{% set (a, b) = (1, 2) %}{{ a }}{{ b }}",
    "{% set true = 1 %}",
    "{% set 1 = 1 %}",
    "{% set x %}a{{ n }}b{% endset %}[{{ x }}]",
    "{% set x | upper %}a{{ s }}b{% endset %}{{ x }}",
    "{% set x | replace('a', 'b') | length %}aa{% endset %}{{ x + 1 }}",
    "{% set x %}{% set y = 1 %}{% endset %}{{ y is defined }}",
    "{% set x = 1 if n > 5 else 2 %}{{ x }}",
    "{% set n = n + 1 %}{{ n }}",
    "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% set x = 1 %}{% for i in xs %}{% set x = i %}{% endfor %}{{ x }}",
    "{% set x = 0 %}{% for i in xs %}{{ x }}{% set x = i %}{{ x }};{% endfor %}",
    "{% set ns = namespace(x=0) %}{% for i in xs %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace() %}{% set ns.a = 1 %}{% set ns.a, ns.b = 2, 3 %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}",
    "{% set ns = namespace(items=1) %}{{ ns.items }}{{ ns }}",
    "{% set d.a = 1 %}",
    "{% set missing.a = 1 %}",
    "{% set d['a'] = 1 %}",
    "{% set x = namespace %}{% set y = x(a=1) %}{{ y.a }}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}",
    "{% with a = 1, b = a %}{{ b is defined }}{% endwith %}",
    "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}",
    "{% macro m() %}x{% endmacro %}{{ m() }}{{ m() }}",
    "{% macro m(a, b=2) %}{{ a }}-{{ b }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=4, a=5) }}{{ m() }}",
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(c=2) }}",
    "{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}",
    "{% macro m(a=1, b) %}{% endmacro %}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}",
    "{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}",
    "{% set x = 1 %}{% macro m() %}{% set x = 2 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}",
    "{% macro m(n) %}{% if n > 0 %}{{ n }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}",
    "{% macro a() %}[{{ b() }}]{% endmacro %}{% macro b() %}b{% endmacro %}{{ a() }}",
    "{% macro m() %}\n  x\n{% endmacro %}\n[{{ m() }}]\n",
    "{% macro m() %} x {% endmacro %}{{ m() | trim | upper }}{{ m() | length }}{{ m() + 'y' }}",
    "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}body{{ n }}{% endcall %}",
    "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b=3) m() %}{{ a }}{{ b }}{% endcall %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}",
    "{% macro m(caller='d') %}{{ caller }}{% endmacro %}{{ m() }}",
    "{% call n %}{% endcall %}",
    "{% for x in xs %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}{{ m is defined }}",
    "{% if true %}{% macro m() %}x{% endmacro %}{% endif %}{{ m() }}",
    "{{ m() }}{% macro m() %}x{% endmacro %}",
    "{% macro m() %}{% for x in xs %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}{% endmacro %}{{ m() }}",
    "{% macro m(x) %}{{ loop is defined }}{% endmacro %}{% for i in xs %}{{ m(i) }}{% endfor %}",
    "{% filter upper %}a{{ s }}{% endfilter %}",
    "{% filter replace('a', 'b') | upper %}aXa{% endfilter %}",
    "{% print n, s %}",
    "{% generation %}a{% set q = 1 %}{{ q }}{% endgeneration %}{{ q is defined }}",
    "{% for x in xs %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}",
    "{% generation %}\n  a\n{% endgeneration %}\nb",
    "{% for x in xs %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    "{% if false %}{{ s | nope }}{% endif %}ok",
    "{% if true %}{{ s | nope }}{% endif %}ok",
    "{% if false %}{{ s is nope }}{% endif %}ok",
    "{{ (s | nope) if false else 'ok' }}",
    "{% for x in empty %}{{ x | nope }}{% endfor %}",
    "{% if false %}{{ missing.x.y }}{% endif %}ok",
    "{% set g = xs | map('string') %}{{ g | join }}{{ g | join }}",
    "{% set g = xs | select('odd') %}{% for x in g %}{{ x }}{% endfor %}{{ g | list }}",
    "{{ xs | map('string') | length }}",
    "{{ (xs | map('string'))[0] }}",
    "{% set x = [] %}{% set x = x + [1] %}{% set x = x + [2] %}{{ x }}",
    "{% for m in people %}{{ m.name }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{%- for m in people -%}\n  {{ m.name }}\n{%- endfor -%}\n x",
    "{% for m in people %}\n  {{ m.name }}\n{% endfor %}\n x",
    "{{ raise_exception('a: ' ~ n) }}",
    "{% if n == 7 %}{{ raise_exception('seven') }}{% endif %}",
    "{{ s }}{{\n\n n\n }}",
    "{%\n if\n true\n %}x{%\n endif\n %}",
    "{{ {'a': '}}'}['a'] }}",
    "{% set x = '{{ n }}' %}{{ x }}",
    "{{ \"{% if %}\" }}",
    "{{ 'a' }}{#- x -#}  {{- 'b' }}",
    "\n\n  {%- set a = 1 -%}\n\n  b",
    "{% set a = 1 %}\n\n{% set b = 2 %}\nc",
    "{%set a=1%}{{a}}{%if a%}y{%endif%}",
    "{{a}}{{ a.b }}",
    "{% for x in xs %}{{ x }}{% endfor %}{% for x in xs %}{{ x }}{% else %}{% endfor %}",
    "{{ 1 }}{{ 1 / 0 }}",
    "{% for i in range(3) %}{% for j in range(i) %}{{ i }}{{ j }} {% endfor %}{% endfor %}",
    "{% set d2 = dict(d, a=5) %}{{ d2.a }}{{ d.a }}",
    "{{ joined }}{% set joined = xs | join %}{{ joined }}",
    "{% if (n > 5) and (s is string or false) %}y{% endif %}",
    "{% if n is not string and n not in [1, 2] %}y{% endif %}",
    "{% if not (n is string) %}y{% endif %}",
    "{% if xs|length > 2 and xs[-1] == 2 %}y{% endif %}",
    "{{ people[0].home.city ~ ', ' ~ people[1]['home']['city'] }}",
    "{{ people | map(attribute='home') | map(attribute='city') | join(' ') }}",
]

# Names that a generator, a function or an identity would print an address for are left out: no test can hold those.
SNIPPETS = ["{{ " + e.replace("\0", "\n") + " }}" for e in
            EXPRESSIONS.strip("\n").replace("'multi\nline'", "'multi\0line'").replace('"\\\nx"', '"\\\0x"').split("\n")] + STATEMENTS
