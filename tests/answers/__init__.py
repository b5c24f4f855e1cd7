"""Right and wrong answers to the exercises, a file an exercise, for test_exercises.py.

RIGHT: functions that pass, in the styles that the tests do not make out of the solution by themselves (loops, einsum,
torch.func, ...). WRONG: pairs (function, words): it does not pass, and the message has these words; "" where a neutral
message is right. The mistakes that an exercise declares are tested without being listed again.
"""
