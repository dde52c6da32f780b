"""The words with which a response states its answer, denies one, or takes one back.

One grammar for answers of any kind, options included, as patterns:

    STATED     the (final, correct, ...) answer [to the question] is | = | : | →
               Answer, on a line of its own; 答案(应)是 | 为 | ：; 答：; ####
    POSTFIX    is the (final, correct, ...) answer; 就是答案
    NOT        not ANSWER; rather than ANSWER; 不是 ANSWER
    WRONG      ANSWER is wrong | is not the answer; ANSWER 错误
    RETRACTED  Wait, that is wrong.  I made a mistake.  不对，
    REVISED    Actually, it is ANSWER.  Correction: ANSWER: where something was stated before
    SUPPOSED   if; suppose; some may say; 如果: what follows states nothing
    BOUND      at least ANSWER; a multiple of ANSWER      CHANGED   ANSWER or more; 5 less than 8
    REFERRED   step 5; divided by 5; the 5: no answer, but something that was known
"""

from __future__ import annotations

import re


def any_of(*words: str) -> str:
    """A pattern for one of the words; of two that begin alike the longer one."""
    return f"(?:{'|'.join(sorted(words, key=len, reverse=True))})"


START, END = "(?<![A-Za-z])", "(?![A-Za-z])"  # of a word; Chinese has no spaces around one
GAP, LINE = "[ \t]{0,3}", "(?:^|(?<=\n))[ \t]*"

# ---- statements
NOUN = any_of(
    *("answers?", "ans", "réponse", "reponse", "respuesta", "resposta", "risposta", "antwort"),
    *("ответ", "答案", "答え", "正解", "正确选项", "정답", "답", "الإجابة", "الجواب", "उत्तर"),
    *("คำตอบ", "đáp án", "câu trả lời", "cevap", "odpowied[źz]"),
)
VERB = any_of(
    any_of(
        *("is", "are", "was", "(?:will|would|should|must|has to|to) be", "comes? (?:out )?to"),
        *("equals?", "est", "es", "è", "é", "ist", "lautet"),
    )
    + END,
    *("[=:：→⇒]", "[-=]+>", "应?该?[是为]", "[就即]是", "等于", "选", "は"),
)
DETAIL = r"[^\n.:：=。，?？\d$\\→⇒]{0,80}?[ ,]"  # to the question
STATED = re.compile(
    rf"{START}(?<!to )(?<!we )(?<!I ){NOUN}{END}(?!\s+{any_of('the', 'this', 'that', 'your')}\b)"
    rf"(?:{GAP}{VERB}|{GAP}{DETAIL}{VERB}|[ \t]*(?=\n)|(?=[ \t]+[\d$\\(]))(?:{GAP}{VERB})*"
    rf"|{LINE}(?:答{GAP}[:：]|A{GAP}[:：](?=\s))|(?<![#\w])####(?!#)",
    re.IGNORECASE,
)
LEAD = re.compile(  # between the phrase and the answer
    r"(?i)(?:[\s:：=→⇒>,，\"“”'‘«]|\\\"|"
    + any_of(
        *("but", "rather", "instead", "thus", "therefore", "hence", "then", "simply", "just"),
        *("exactly", "indeed", "now", "clearly", "about", "approximately", "roughly", "around"),
        *("equal to", "given by", "it(?: i|['’])s", "for sure", "而?是", "约", "大约", "共"),
    )
    + f"{END})*"
)
POSTFIX = re.compile(
    rf"{GAP}(?:is|are|was|就?是){GAP}(?:(?:the|our|my|your) )?"
    rf"(?:{any_of('final', 'correct', 'right', 'required', 'desired', '正确', '最终')}的?{GAP})?"
    rf"(?:answer|答案){END}",
    re.IGNORECASE,
)
TAG = re.compile(r"(?i)<(?:final[_-]?answer|answer|ans)>")
SUPPOSED = re.compile(
    rf"(?i)\b{any_of('if', 'suppose', 'assum[a-z]+', 'whether', 'unless')}\b[^.,\n]*$"
    r"|\b(?:may|might|could|would) (?:say|think|guess|believe|expect)\b[^.,\n]*$"
    r"|(?:如果|假设|若)[^。，\n]*$"
)

# ---- words that make something else of the expression they stand beside
COMPARED = "(?:more|less|fewer|greater|larger|smaller|bigger|higher|lower) than"
PART = any_of(
    *("multiples?", "divisors?", "factors?", "powers?", "root", "half", "third", "quarter"),
    *("fraction", "inverse", "reciprocal", "opposite", "negative", "square", "cube"),
)
BOUND = re.compile(
    START
    + any_of(
        *(COMPARED, "at (?:least|most)", "over", "under", "above", "below", "beyond", "between"),
        *("up to", "near(?:ly)?", "almost", "close to", "twice", "double", "triple", "half"),
        *("not", f"{PART} of", r"(?<=[\d%}])[ ]of"),
    )
    + r"[ \t]+(?:the[ \t]+)?\$?$"
    r"|(?:大于|小于|多于|少于|高于|低于|超过|不到|不足|接近|至少|至多|最多|最少)[是为]?[ \t]*$",
    re.IGNORECASE,
)
CHANGED = re.compile(
    GAP
    + any_of(
        rf"{COMPARED} (?:the )?[\d$\\]",
        *("plus", "minus", "divided", "multiplied", "squared", "cubed", "factorial"),
        r"times(?= [$\\(])",
        rf"or {any_of('so', 'more', 'less', 'fewer', 'above', 'below', 'over', 'under')}",
        *("st", "nd", "rd", "th", "remainder", r"R ?\d+"),
    )
    + f"{END}|{GAP}(?:[多余几倍]|以[上下内]|左右|的)",
    re.IGNORECASE,
)
REFERRED = re.compile(
    START
    + any_of(
        *("steps?", "equations?", "eqs?[.]", "figures?", "fig[.]", "options?", "cases?", "parts?"),
        *("problem", "question", "section", "table", "page", "theorem", "lemma", "example", "the"),
        *("divided by", "divisible by", "multiplied by"),
    )
    + r"[ \t]+\(?$|步骤?[ \t]*$",
    re.IGNORECASE,
)

# ---- denials
SOME = (  # an answer, roughly; atomic, so that no list is cut in two ways
    rf"(?>(?:{any_of('options?', 'choices?', '选项')}{GAP})?"
    r"(?:\\?(?:boxed|fbox)\s?\{[^{}\n]{1,80}\}|\$[^$\n]{1,80}\$"
    r"|[$€£]?[-−–]?\d{1,30}(?:,\d{3}(?!\d)){0,9}(?:[./]\d{1,30})?%?(?![A-Za-z0-9_]|\.\d)"
    r"|\(?(?-i:[A-J])(?![A-Za-z'’])\)?))"
)
SEVERAL = rf"(?>{SOME}(?:{GAP}(?:,|and|or|nor|、|和|与|或){GAP}{SOME}){{0,5}})"
NOT = re.compile(
    rf"(?i)((?:{START}{any_of('is', 'are', 'was', 'be', 'can', 'could', 'does', 'do')})?){GAP}"
    rf"(?:{START}{any_of('not', 'cannot', 'neither', 'never', 'rather than', 'instead of')}"
    rf"|n['’]t|并?不是|并非|而非|不选|不为){GAP}"
    rf"(?:{any_of('be', 'just', 'only', 'simply', 'equal(?: to)?')} )?{SEVERAL}"
)
WRONG = re.compile(
    rf"(?<![\w$]){SEVERAL}{GAP}(?:{any_of('is', 'are', 'was', 'were')}{GAP}"
    rf"(?:{any_of('both', 'all', 'clearly', 'also', 'obviously')} )?"
    rf"(?:(?:not|n['’]t) {any_of('the answer', 'right', 'correct', 'possible', 'valid', 'it')}|"
    + any_of(
        *("wrong", "incorrect", "false", "extraneous", "invalid", "impossible", "rejected"),
        *("excluded", "ruled out"),
    )
    + r")|(?:can['’]?t|cannot) be (?:right|correct|it)"
    r"|(?:选项)?[均都是也]?(?:错误?|不对|不正确|不符合?))"
)
HESITATION = any_of("hmm+", "wait", "oh", "oops", "no", "nope", "sorry", "actually", "but", "well")
RETRACTED = re.compile(
    rf"(?i)(?:^|(?<=[.!?。！？\n,;，；—(])){GAP}(?:(?:{HESITATION}\b[\s,.…!:—-]{{0,5}}){{0,3}}(?:"
    rf"(?:that|this|it)(?:['’]s| is| was) (?:all )?(?:wrong|incorrect|a mistake|an error|impossible"
    r"|not (?:right|correct|true|it))|wrong|incorrect|scratch that"
    r"|I (?:have )?(?:made|make) an?(?: \w{1,20})? (?:mistake|error))(?![A-Za-z])"
    r"|(?:等等|等一下|哦|啊)?[，, ]{0,2}(?:不对|错了|算错了?|不，))"
)
REVISED = re.compile(
    rf"(?i){START}(?:{any_of('correction', 'no,? wait', 'wait,? no')}[\s,.…!:—-]{{1,5}}"
    rf"|{HESITATION}[\s,.…!:—-]{{1,5}}(?=it))"
    rf"(?:it(?:['’]s| is| should be| must be))?{GAP}(?=[\d$\\(-])"
)
SENTENCE = re.compile(r"(?<!\\)[.!?](?=[\s\"'”’)*]|$)|[。！？\n]")
ABBREVIATED = re.compile(r"\b(?:i\.?e|e\.g|approx|vs|No|[ap]\.m|Dr|Mr|Mrs|Ms|St|cf|eq)$")
