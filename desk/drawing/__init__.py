"""What is drawn at the desk: SVG whose places are shares of its width, so that its texts are as large on any screen.

waterfall.py   what moved the probability of default
ranging.py     the decision along a field's range
scale.py       the score among the policy's bands
"""
