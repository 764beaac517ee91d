"""What would happen: a transition carried out on the document alone, and events put into it.

Pure: no node is asked, nothing runs. The document stands for the cluster; what an action would do
to the cluster is written into the status section, and the policy engine decides anew.
"""
